/** Kubernetes itself acts on Secrets of these types: a vault's content must not make it hand out tokens (CVE-2026-42876). */
export const refusedSecretTypes: ReadonlySet<string> = new Set([
  'kubernetes.io/service-account-token',
  'bootstrap.kubernetes.io/token',
])

/** A Secret with a certificate and its key. https://kubernetes.io/docs/concepts/configuration/secret/#tls-secrets */
export const tlsSecretType = 'kubernetes.io/tls'

/** Keys that a Secret of {@link tlsSecretType} may have. */
export const tlsKeys = ['tls.crt', 'tls.key', 'ca.crt'] as const
export type TlsKey = (typeof tlsKeys)[number]

export function isTlsKey(key: string): key is TlsKey {
  return (tlsKeys as readonly string[]).includes(key)
}
