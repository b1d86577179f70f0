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

/** Name of the application that `create` makes when none is given: upstream's, so that both tools find the same one. */
export function defaultApplicationName({ namespace, name }: ServiceAccountRef, issuer: string): string {
  return `${namespace}-${name}-${issuerHash(issuer)}`
}

/** Upstream's hash of an issuer: base64url with padding. */
export function issuerHash(issuer: string): string {
  return paddedHash(issuer)
}

/** Upstream's name of an application's federated credential. Nothing is found by it: issuer and subject identify. */
export function applicationCredentialName({ namespace, name }: ServiceAccountRef, issuer: string): string {
  return paddedHash(`${namespace}-${name}-${issuer}`)
}

/**
 * Name of a managed identity's federated credential. Resource Manager takes 3 to 120 letters, digits, `-` and `_`, the first
 * a letter or digit: upstream's names end in `=` and do not fit. The hash keeps `a-b`/`c` and `a`/`b-c` apart.
 */
export function managedCredentialName(account: ServiceAccountRef, issuer: string): string {
  return readableName(account, issuer, 120)
}

/** Name of the managed identity that `create` makes when none is given. */
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
