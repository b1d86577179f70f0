import { generateKeyPairSync } from 'node:crypto'
import { createLocalJWKSet, type JWK } from 'jose'
import { createAssertionVerifier } from '../../../src/lab/azure/entra/federated-assertion.ts'
import { refusesLater } from '../expected-error.ts'

const credential = {
  name: 'pod',
  issuer: 'https://issuer.example',
  subject: 'system:serviceaccount:default:app',
  audiences: ['api://AzureADTokenExchange'],
}
const jwk = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }) as JWK
const keySet = createLocalJWKSet({ keys: [{ ...jwk, kid: 'k', alg: 'RS256' }] })
const keys = { get: async () => keySet, refresh: async () => keySet }
const clock = { now: () => 1_800_000_000_000, elapsed: () => 0, after: () => () => undefined }
const { verify } = createAssertionVerifier({ keys, clock })
const client = { clientId: 'c', displayName: 'd', credentials: [credential] as never }
const header = Buffer.from('{"alg":"RS256","kid":"k"}').toString('base64url')

/** The assertion of a foreign issuer at the local Azure's token endpoint: as it came, and with the bytes as its claims. */
export async function fuzz(data: Buffer): Promise<void> {
  await refusesLater(() => verify(data.toString('utf8'), client))
  await refusesLater(() => verify(`${header}.${data.toString('base64url')}.c2ln`, client))
}
