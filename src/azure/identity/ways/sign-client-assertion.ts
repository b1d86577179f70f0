import { constants, createHash, createPrivateKey, type KeyObject, randomUUID, sign, X509Certificate } from 'node:crypto'
import { type Clock, errorMessage, SecretValue } from '#lib'
import { readKeyMaterial } from '#lib/formats'
import { defineTask, TaskError, type TaskRunner } from '#lib/worker'
import { IdentityError } from '../identity-error.ts'

export interface ClientCertificate {
  clientId: string
  /** PEM text with private key and certificate, or a PFX file in base64; the chain may be in it too, in any order. */
  certificate: SecretValue
  /** Opens either. */
  password: SecretValue | undefined
}

export interface SigningOptions {
  /** The token endpoint. */
  audience: string
  /** See `TokenRequest.owner`. Not the client id: users choose that, and any number of them. */
  owner: string | undefined
  clock: Clock
  tasks: TaskRunner
}

/**
 * The JWT by which an application proves that it holds the key of its certificate. Throws {@link IdentityError}.
 * https://learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
export async function signClientAssertion(
  { clientId, certificate, password }: ClientCertificate,
  { audience, owner, clock, tasks }: SigningOptions,
): Promise<SecretValue> {
  const input = {
    clientId,
    audience,
    issuedAt: Math.floor(clock.now() / 1000),
    certificate: certificate.revealText(),
    password: password?.revealText() ?? '',
  }
  try {
    return SecretValue.of(await tasks.run(signAssertionTask, input, { owner }))
  } catch (error) {
    const where = 'clientcertificate in the nodePublishSecretRef Secret'
    const retryable = error instanceof TaskError && error.retryable
    const message = retryable
      ? `${where} could not be read yet (${errorMessage(error)}); it is tried again`
      : `${where} is not usable (${errorMessage(error)}); expected PEM text with the RSA private key and its certificate, or a PFX file in base64`
    throw new IdentityError('identity-certificate-invalid', message, { retryable })
  }
}

interface AssertionInput {
  clientId: string
  audience: string
  /** Seconds since the epoch. */
  issuedAt: number
  certificate: string
  /** Empty for none. */
  password: string
}

/** For a worker thread: certificate and key are whatever someone wrote into a Secret. */
export const signAssertionTask = defineTask('sign-client-assertion', signAssertion)

async function signAssertion(input: AssertionInput): Promise<string> {
  const { clientId, audience, issuedAt } = input
  const { key, certificate } = await readCertificate(input)
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
    nbf: issuedAt - 60,
    iat: issuedAt,
    exp: issuedAt + 600,
  }
  const signed = `${base64url(header)}.${base64url(claims)}`
  const signature = sign('sha256', Buffer.from(signed), {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  })
  return `${signed}.${signature.toString('base64url')}`
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

async function readCertificate({
  certificate: text,
  password,
}: AssertionInput): Promise<{ key: KeyObject; certificate: X509Certificate }> {
  const contents = text.includes('-----BEGIN') ? Buffer.from(text, 'latin1') : Buffer.from(text, 'base64')
  const { keys, certificates } = await readKeyMaterial({ contents, password })
  const [first] = keys
  if (first === undefined) throw new Error('there is no private key in it')
  const key = createPrivateKey({ key: Buffer.from(first.pkcs8), format: 'der', type: 'pkcs8' })
  const found = certificates.map((der) => new X509Certificate(der)).find((one) => one.checkPrivateKey(key))
  if (found === undefined) throw new Error('no certificate in it belongs to the private key')
  return { key, certificate: found }
}
