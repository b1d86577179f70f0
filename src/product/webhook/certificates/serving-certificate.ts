import type { SecretValue } from '#lib'

/** What the server presents to its clients, and the certificate that they have to trust for it. */
export interface ServingCertificate {
  /** PEM. */
  ca: string
  cert: string
  key: SecretValue
}
