import { randomUUID, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { orUndefined } from '#lib'
import type { Credentials, KeyCredential, Password } from '../directory/credentials.ts'
import { Refusal } from '../http/refusal.ts'

const time = z.iso.datetime({ offset: true })

/** The certificates of an application or service principal. Clients always write the whole list. */
export const keyCredentialsSchema = z
  .array(
    z.looseObject({
      keyId: z.guid().nullish(),
      displayName: z.string().nullish(),
      /** Missing for existing certificates, since Graph does not return it. */
      key: z.string().nullish(),
      type: z.string().nullish(),
      usage: z.string().nullish(),
      startDateTime: time.nullish(),
      endDateTime: time.nullish(),
    }),
  )
  .optional()

export const addPasswordBody = z.object({
  passwordCredential: z
    .looseObject({ displayName: z.string().nullish(), startDateTime: time.nullish(), endDateTime: time.nullish() })
    .nullish(),
})

export const removePasswordBody = z.object({ keyId: z.guid() })

/** The certificates after a write. Throws {@link Refusal} for an entry that is neither complete nor an existing certificate. */
export function applyKeyCredentials(
  given: z.output<typeof keyCredentialsSchema>,
  before: readonly KeyCredential[],
): KeyCredential[] {
  return (given ?? []).map((credential): KeyCredential => {
    const { keyId, key, displayName = null, startDateTime, endDateTime } = credential
    const existing = before.find((each) => each.keyId === keyId)
    if (key == null && existing !== undefined) return existing
    const certificate = certificateIn(key ?? '')
    if (key == null || certificate === undefined || credential.type !== 'AsymmetricX509Cert') {
      throw new Refusal(
        400,
        'KeyCredentialsInvalidCertificate',
        'Key credential is invalid: it must have the type AsymmetricX509Cert and a certificate as its key.',
      )
    }
    return {
      keyId: keyId ?? randomUUID(),
      displayName,
      customKeyIdentifier: certificate.fingerprint.replaceAll(':', ''),
      key,
      startDateTime: startDateTime ?? new Date(certificate.validFrom).toISOString(),
      endDateTime: endDateTime ?? new Date(certificate.validTo).toISOString(),
    }
  })
}

function certificateIn(key: string): X509Certificate | undefined {
  return orUndefined(() => new X509Certificate(Buffer.from(key, 'base64')))
}

/** The credentials as Graph returns them: without secrets and certificates. */
export function renderCredentials({ keys = [], passwords = [] }: Credentials) {
  return {
    keyCredentials: keys.map(({ key: _, ...rest }) => ({
      ...rest,
      key: null,
      type: 'AsymmetricX509Cert',
      usage: 'Verify',
    })),
    passwordCredentials: passwords.map((password) => renderPassword(password)),
  }
}

/** @param secretText is returned once, when the secret is created. */
export function renderPassword(password: Password, secretText: string | null = null) {
  const { keyId, displayName, hint, startDateTime, endDateTime } = password
  return { customKeyIdentifier: null, displayName, endDateTime, hint, keyId, secretText, startDateTime }
}
