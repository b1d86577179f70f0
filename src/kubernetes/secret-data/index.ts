/**
 * kubernetes/secret-data: what goes into a Kubernetes Secret out of the files of a provider: certificates and keys of a TLS
 * Secret, from PEM or PFX. The driver's Secrets and those without a pod are built alike.
 */
export { type NewSecret, newSecret } from './new-secret.ts'
export { createTlsValues, type TlsValueOptions, type TlsValues } from './tls-values.ts'
