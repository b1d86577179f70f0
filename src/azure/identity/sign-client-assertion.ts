import { constants, createHash, createPrivateKey, type KeyObject, randomUUID, sign, X509Certificate } from 'node:crypto'
import { type Clock, errorMessage, SecretValue } from '#lib'
import { decodePem, readPkcs12 } from '#lib/formats'
import type { ServicePrincipalCredential } from './credential.ts'
import { IdentityError } from './identity-error.ts'

/**
 * The JWT by which an application proves that it holds the key of its certificate.
 * https://learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
export async function signClientAssertion(
  credential: ServicePrincipalCredential,
  { audience, clock }: { audience: string; clock: Clock },
): Promise<SecretValue> {
  const { clientId } = credential
  try {
    const { key, certificate } = await readCertificate(credential)
    const now = Math.floor(clock.now() / 1000)
    const header = {
      alg: 'PS256',
      typ: 'JWT',
      'x5t#S256': createHash('sha256').update(certificate.raw).digest('base64url'),
      x5c: [certificate.raw.toString('base64')],
    }
    const claims = {
      aud: audience,
      iss: clientId,
      sub: clientId,
      jti: randomUUID(),
      nbf: now - 60,
      iat: now,
      exp: now + 600,
    }
    const signed = `${base64url(header)}.${base64url(claims)}`
    const signature = sign('sha256', Buffer.from(signed), {
      key,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    })
    return SecretValue.of(`${signed}.${signature.toString('base64url')}`)
  } catch (error) {
    const message = `clientcertificate in the nodePublishSecretRef Secret is not usable (${errorMessage(error)}); expected PEM text with the RSA private key and its certificate, or a PFX file in base64`
    throw new IdentityError('identity-certificate-invalid', message)
  }
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** PEM text with key and certificate, or a PFX file in base64; the password opens either. */
async function readCertificate({
  proof,
}: ServicePrincipalCredential): Promise<{ key: KeyObject; certificate: X509Certificate }> {
  if (proof.kind !== 'certificate') throw new Error('no certificate')
  const text = proof.certificate.revealText()
  const passphrase = proof.password?.revealText() ?? ''
  if (text.includes('-----BEGIN')) {
    const key = createPrivateKey({ key: text, ...(passphrase === '' ? {} : { passphrase }) })
    return {
      key,
      certificate: matching(
        key,
        decodePem(text)
          .filter(({ label }) => label === 'CERTIFICATE')
          .map(({ der }) => der),
      ),
    }
  }
  const { keys, certificates } = await readPkcs12(Buffer.from(text, 'base64'), passphrase)
  const [key] = keys
  if (key === undefined) throw new Error('the PFX file holds no private key')
  return { key, certificate: matching(key, certificates) }
}

/** The chain may be in the file too, in any order. */
function matching(key: KeyObject, certificates: readonly Buffer[]): X509Certificate {
  const found = certificates
    .map((der) => new X509Certificate(der))
    .find((certificate) => certificate.checkPrivateKey(key))
  if (found === undefined) throw new Error('no certificate in it belongs to the private key')
  return found
}
