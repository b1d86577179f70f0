import type { TokenClaims } from './service-account-token.ts'

/** Who signs in, for errors. Never contains a proof. */
export interface Who {
  /** `workload identity: client …, tenant …`, and what the token claims. */
  description: string
  /** {@link description} without the claims, for a text that has them already. Default: the same. */
  brief?: string | undefined
  /** Upstream's SDK class for this way to sign in, whose name is what users search for. */
  sdkName: string
  tenantId: string
  clientId: string
  /** Of the service account token that was presented; undefined for other ways. */
  claims?: TokenClaims | undefined
}
