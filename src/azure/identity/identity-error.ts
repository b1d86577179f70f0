import { CodedError } from '#lib'

/** Stable names of the causes why there is no token; `docs/errors.md` explains each. */
export type IdentityErrorCode =
  | 'entra-app-not-found'
  | 'entra-assertion-expired'
  | 'entra-assertion-invalid'
  | 'entra-audience-mismatch'
  | 'entra-certificate-unknown'
  | 'entra-client-secret-expired'
  | 'entra-client-secret-wrong'
  | 'entra-issuer-mismatch'
  | 'entra-issuer-unreachable'
  | 'entra-no-federated-credential'
  | 'entra-rejected'
  | 'entra-resource-unknown'
  | 'entra-subject-case-mismatch'
  | 'entra-subject-mismatch'
  | 'entra-tenant-not-found'
  | 'entra-throttled'
  | 'entra-unreachable'
  | 'identity-binding-refused'
  | 'identity-certificate-invalid'
  | 'managed-identity-ambiguous'
  | 'managed-identity-not-assigned'
  | 'managed-identity-unreachable'
  | 'pod-identity-not-bound'
  | 'pod-identity-unreachable'
  | 'token-proxy-unavailable'

/** No token, and why. The message names the identity and what would be right; it never holds a proof. */
export class IdentityError extends CodedError<IdentityErrorCode> {
  override readonly name = 'IdentityError'
}
