import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'

/** A client secret. Only its hash is stored: as in Azure, the secret is shown once. */
export interface Password {
  keyId: string
  displayName: string | null
  /** First three characters, as Azure shows them. */
  hint: string
  sha256: string
  startDateTime: string
  endDateTime: string
}

/** A certificate that an application signs its assertions with. */
export interface KeyCredential {
  keyId: string
  displayName: string | null
  /** SHA-1 of the certificate, in upper-case hexadecimal digits. */
  customKeyIdentifier: string
  /** The certificate, DER in base64. */
  key: string
  startDateTime: string
  endDateTime: string
}

/** The credentials of applications and of service principals. */
export interface Credentials {
  passwords?: Password[] | undefined
  keys?: KeyCredential[] | undefined
}

export type Verdict = 'valid' | 'expired' | 'wrong'

const dayMs = 24 * 3600 * 1000
/** Graph's validity of a secret whose end is not given. */
const defaultValidityMs = 2 * 365 * dayMs

export interface PasswordFields {
  displayName?: string | null | undefined
  /** ISO 8601. */
  startDateTime?: string | undefined
  endDateTime?: string | undefined
}

/** A password for `secret`. Default: a new secret in Azure's format. */
export function newPassword(now: number, fields: PasswordFields = {}, secret = newSecret()) {
  const { displayName = null, startDateTime = new Date(now).toISOString() } = fields
  const { endDateTime = new Date(Date.parse(startDateTime) + defaultValidityMs).toISOString() } = fields
  const password: Password = {
    keyId: randomUUID(),
    displayName,
    hint: secret.slice(0, 3),
    sha256: hash(secret).toString('hex'),
    startDateTime,
    endDateTime,
  }
  return { password, secret }
}

/** Whether `secret` is one of the passwords. A password that is not valid yet counts as wrong. */
export function checkSecret(passwords: readonly Password[], secret: string, now: number): Verdict {
  const verdicts = passwords
    .filter(({ sha256 }) => sameHash(sha256, secret))
    .map((password) => verdictAt(password, now))
  return verdicts.find((verdict) => verdict === 'valid') ?? verdicts[0] ?? 'wrong'
}

/** Whether a password or certificate is valid at this time. */
export function verdictAt({ startDateTime, endDateTime }: Password | KeyCredential, now: number): Verdict {
  if (Date.parse(endDateTime) <= now) return 'expired'
  return Date.parse(startDateTime) <= now ? 'valid' : 'wrong'
}

/** Forty characters; secret scanners recognize `8Q~`. None is a `-`: as the first one it would look like a flag. */
function newSecret(): string {
  const random = randomBytes(28).toString('base64url').replaceAll('_', '.').replaceAll('-', '~')
  return `${random.slice(0, 3)}8Q~${random.slice(3, 37)}`
}

// A plain hash is enough: the secrets are generated and too random to guess.
function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function sameHash(expectedHex: string, secret: string): boolean {
  return timingSafeEqual(Buffer.from(expectedHex, 'hex'), hash(secret))
}
