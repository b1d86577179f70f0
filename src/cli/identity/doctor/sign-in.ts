import {
  createAcquireToken,
  IdentityError,
  type IdentityErrorCode,
  readTokenClaims,
  type ServiceAccountToken,
  tokenExchangeAudience,
} from '#azure/identity'
import type { KubeClient } from '#kubernetes/client'
import { errorMessage, orUndefined, SecretValue } from '#lib'
import { type Answer, attempt } from '../../answer.ts'
import type { AzureSession } from '../azure-session.ts'
import { askIssuer } from '../cluster-issuer.ts'
import type { ServiceAccountRef } from '../names.ts'
import type { UsedIdentity } from './used-identities.ts'

/** A token of the pod's service account, and what can be found out without one. */
export interface AccountToken {
  issuer: Answer<string>
  /** `kid` of its header. */
  keyId: string | undefined
  token: Answer<ServiceAccountToken>
}

/** The shortest that Kubernetes allows. */
const expirationSeconds = 600

/** Asks the cluster for a token as kubelet does for the pod; without the right to do so, only for its issuer. */
export async function accountToken(
  kube: KubeClient,
  account: ServiceAccountRef,
  allowed: boolean,
): Promise<AccountToken> {
  const token: Answer<ServiceAccountToken> = allowed
    ? await attempt(async () => {
        const answer = await kube.createToken(account, { audiences: [tokenExchangeAudience], expirationSeconds })
        return { token: SecretValue.of(answer.token), claims: readTokenClaims(answer.token) }
      })
    : { why: '--no-sign-in' }
  if ('why' in token) {
    return { issuer: await issuerOf(kube), keyId: undefined, token }
  }
  return { issuer: { value: token.value.claims.issuer }, keyId: keyIdOf(token.value), token }
}

/** The issuer of the cluster's tokens, from its discovery document. */
export function issuerOf(kube: KubeClient): Promise<Answer<string>> {
  return askIssuer((path) => kube.raw({ method: 'GET', path }))
}

/** https://www.rfc-editor.org/rfc/rfc7515#section-4.1.4 */
function keyIdOf({ token }: ServiceAccountToken): string | undefined {
  const header = Buffer.from(token.revealText().split('.')[0] ?? '', 'base64url').toString('utf8')
  return orUndefined(() => (JSON.parse(header) as { kid?: string }).kid)
}

/** How Entra answered to a token of the service account. */
export type SignIn =
  | { kind: 'accepted' }
  | { kind: 'refused'; code: IdentityErrorCode; words: string }
  | { kind: 'unknown'; why: string }

/** Sends the token to Entra, for this identity. The token in the answer is discarded. */
export async function trySignIn(
  { token }: AccountToken,
  { clientId, tenantId }: UsedIdentity,
  azure: AzureSession,
): Promise<SignIn> {
  if ('why' in token) return { kind: 'unknown', why: `there is no token of the service account: ${token.why}` }
  try {
    const acquire = createAcquireToken({ send: azure.send, sendOnNode: azure.send })
    const tenant = tenantId === '' ? await azure.tenantId() : tenantId
    const credential = { kind: 'workload', clientId, tenantId: tenant, assertion: token.value } as const
    await acquire(credential, { cloud: azure.cloud, resource: azure.cloud.vaultResource })
    return { kind: 'accepted' }
  } catch (error) {
    const isRefusal = error instanceof IdentityError && !error.retryable
    return isRefusal
      ? { kind: 'refused', code: error.code, words: entraWords(error.message) }
      : { kind: 'unknown', why: errorMessage(error) }
  }
}

/** Only the message of Entra: who asked, and what would be right, is in other findings. */
function entraWords(message: string): string {
  return message
    .replace(/^ClientAssertionCredential authentication failed\. /, '')
    .replace(/; workload identity: .*$/s, '')
}
