import { z } from 'zod'
import type { FederatedCredential } from './federated-credentials.ts'

/** Rules for the federated credentials of applications and of managed identities. */

/** https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations */
export const maxFederatedCredentials = 20
export const federatedCredentialName = /^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$/

/** Default audience of a federated credential, for which clients request tokens from Kubernetes. */
export const defaultFederationAudience = 'api://AzureADTokenExchange'

export const federatedCredentialFields = {
  issuer: z.url({ protocol: /^https$/, error: 'must be an https URL' }).max(600),
  subject: z.string().min(1).max(600),
  /** Default: {@link defaultFederationAudience}. */
  audiences: z.array(z.string().min(1).max(600)).length(1, 'must have exactly one value').nullish(),
}

/** Why a credential cannot be added to the others of its owner. */
export function conflictOf(
  { issuer, subject }: Pick<FederatedCredential, 'issuer' | 'subject'>,
  others: readonly FederatedCredential[],
): 'duplicate' | 'too many' | undefined {
  if (others.some((other) => other.issuer === issuer && other.subject === subject)) return 'duplicate'
  return others.length >= maxFederatedCredentials ? 'too many' : undefined
}
