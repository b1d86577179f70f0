import { createHash } from 'node:crypto'

/** A service account of the cluster. */
export interface ServiceAccountRef {
  namespace: string
  name: string
}

/** A service account as a federated credential and the `sub` of its tokens name it. */
export function subjectOf({ namespace, name }: ServiceAccountRef): string {
  return `system:serviceaccount:${namespace}:${name}`
}

/** Default name of the application: that of azwi, so that both tools find the same one. */
export function defaultApplicationName({ namespace, name }: ServiceAccountRef, issuer: string): string {
  return `${namespace}-${name}-${issuerHash(issuer)}`
}

/** The hash of an issuer in azwi's names: base64url with padding. */
export function issuerHash(issuer: string): string {
  return paddedHash(issuer)
}

/** azwi's name of an application's federated credential. Credentials are found by issuer and subject, not by name. */
export function applicationCredentialName({ namespace, name }: ServiceAccountRef, issuer: string): string {
  return paddedHash(`${namespace}-${name}-${issuer}`)
}

/**
 * Name of a managed identity's federated credential. Resource Manager accepts 3 to 120 letters, digits, `-` and `_`, the
 * first a letter or digit; azwi's names end in `=` and do not fit. The hash distinguishes `a-b`/`c` from `a`/`b-c`.
 */
export function managedCredentialName(account: ServiceAccountRef, issuer: string): string {
  return readableName(account, issuer, 120)
}

/** Default name of the managed identity. */
export function defaultManagedIdentityName(account: ServiceAccountRef, issuer: string): string {
  return readableName(account, issuer, 128)
}

function readableName({ namespace, name }: ServiceAccountRef, issuer: string, length: number): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([namespace, name, issuer]))
    .digest('hex')
    .slice(0, 8)
  // The name of a service account may have dots.
  const words = `${namespace}-${name}`.replaceAll('.', '-').slice(0, length - hash.length - 1)
  return `${words}-${hash}`
}

function paddedHash(text: string): string {
  return createHash('sha256').update(text).digest('base64').replaceAll('+', '-').replaceAll('/', '_')
}
