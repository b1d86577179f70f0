import { createHash, createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { type Clock, errorMessage, SecretValue } from '../lib/index.ts'
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
  const pem = certificatePem(credential)
  try {
    const key = createPrivateKey(pem)
    const certificate = new X509Certificate(pem)
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
    const signature = sign('sha256', Buffer.from(signed), { key, padding: 6, saltLength: 32 })
    return SecretValue.of(`${signed}.${signature.toString('base64url')}`)
  } catch (error) {
    const message = `clientcertificate in the nodePublishSecretRef Secret is not usable (${errorMessage(error)}); expected PEM text with the RSA private key and its certificate`
    throw new IdentityError('identity-certificate-invalid', message)
  }
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function certificatePem({ proof }: ServicePrincipalCredential): string {
  return proof.kind === 'certificate' ? proof.certificate.revealText() : ''
}
