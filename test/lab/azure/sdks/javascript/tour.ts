/**
 * What a developer does with the Azure SDK for JavaScript, unmodified: read a secret, or everything that its quick starts show.
 *
 *     tour.ts read|everything CREDENTIAL VAULT_URL
 *
 * CREDENTIAL is default, secret, certificate, workload or managed; where it finds what it needs is the environment's, as
 * the SDK documents it. Prints one line of JSON: the same as the programs of the other languages beside this one.
 */
import { createHash } from 'node:crypto'
import {
  ClientCertificateCredential,
  ClientSecretCredential,
  DefaultAzureCredential,
  ManagedIdentityCredential,
  type TokenCredential,
  WorkloadIdentityCredential,
} from '@azure/identity'
import { CertificateClient } from '@azure/keyvault-certificates'
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'
import { SecretClient } from '@azure/keyvault-secrets'

const quick = { intervalInMs: 50 }
const {
  AZURE_TENANT_ID = '',
  AZURE_CLIENT_ID = '',
  AZURE_CLIENT_SECRET = '',
  AZURE_CLIENT_CERTIFICATE_PATH = '',
} = process.env

const credentials: Record<string, () => TokenCredential> = {
  default: () => new DefaultAzureCredential(),
  secret: () => new ClientSecretCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET),
  certificate: () => new ClientCertificateCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_CERTIFICATE_PATH),
  workload: () => new WorkloadIdentityCredential(),
  managed: () => new ManagedIdentityCredential({ clientId: AZURE_CLIENT_ID }),
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let number = 0
  for await (const _ of items) number++
  return number
}

async function secretsTour(client: SecretClient) {
  const name = 'tour-secret'
  await client.setSecret(name, 'first')
  const made = await client.setSecret(name, 'second', { contentType: 'text/plain', tags: { team: 'shop' } })
  const updated = await client.updateSecretProperties(name, made.properties.version ?? '', {
    expiresOn: new Date('2035-01-01T00:00:00Z'),
  })
  const versions = await count(client.listPropertiesOfSecretVersions(name))
  const backup = await client.backupSecret(name)
  await (await client.beginDeleteSecret(name, quick)).pollUntilDone()
  await (await client.beginRecoverDeletedSecret(name, quick)).pollUntilDone()
  const recovered = await client.getSecret(name)
  await (await client.beginDeleteSecret(name, quick)).pollUntilDone()
  await client.purgeDeletedSecret(name)
  await client.restoreSecretBackup(backup ?? new Uint8Array())
  return {
    versions,
    team: made.properties.tags?.team,
    expires: updated.expiresOn?.getUTCFullYear(),
    recovered: recovered.value,
    restored: (await client.getSecret(name)).value,
  }
}

async function keysTour(client: KeyClient, credential: TokenCredential) {
  const rsa = await client.createRsaKey('tour-rsa', { keySize: 2048 })
  const ec = await client.createEcKey('tour-ec', { curve: 'P-256' })
  const withRsa = new CryptographyClient(rsa, credential)
  const withEc = new CryptographyClient(ec, credential)
  const algorithm = 'RSA-OAEP-256'
  const encrypted = await withRsa.encrypt({ algorithm, plaintext: Buffer.from('plain') })
  const decrypted = await withRsa.decrypt({ algorithm, ciphertext: encrypted.result })
  const wrapped = await withRsa.wrapKey(algorithm, Buffer.from('a key'))
  const unwrapped = await withRsa.unwrapKey(algorithm, wrapped.result)
  const digest = createHash('sha256').update('a message').digest()
  const signed = await withEc.sign('ES256', digest)
  const verified = await withEc.verify('ES256', digest, signed.result)
  const rotated = await client.rotateKey('tour-rsa')
  const policy = await client.updateKeyRotationPolicy('tour-rsa', {
    expiresIn: 'P90D',
    lifetimeActions: [{ action: 'Rotate', timeAfterCreate: 'P30D' }],
  })
  await (await client.beginDeleteKey('tour-ec', quick)).pollUntilDone()
  return {
    decrypted: Buffer.from(decrypted.result).toString(),
    unwrapped: Buffer.from(unwrapped.result).toString(),
    verified: verified.result,
    rotated: rotated.properties.version !== rsa.properties.version,
    expiryTime: policy.expiresIn,
    deleted: (await client.getDeletedKey('tour-ec')).name,
  }
}

async function certificatesTour(client: CertificateClient, secrets: SecretClient) {
  const name = 'tour-certificate'
  const policy = { issuerName: 'Self', subject: 'CN=tour.example.com' }
  const made = await (await client.beginCreateCertificate(name, policy, quick)).pollUntilDone()
  const secret = await secrets.getSecret(name, { version: made.properties.version ?? '' })
  const { subject } = await client.getCertificatePolicy(name)
  await (await client.beginDeleteCertificate(name, quick)).pollUntilDone()
  return {
    subject,
    secretType: secret.properties.contentType,
    sameVersion: made.properties.version === secret.properties.version,
    deleted: (await client.getDeletedCertificate(name)).name,
  }
}

const [what, kind = '', vault = ''] = process.argv.slice(2)
const credential = credentials[kind]?.()
if (credential === undefined) throw new Error(`unknown credential ${kind}`)
const secrets = new SecretClient(vault, credential)
const greeting = (await secrets.getSecret('greeting')).value
const everything = async () => ({
  secrets: await secretsTour(secrets),
  keys: await keysTour(new KeyClient(vault, credential), credential),
  certificates: await certificatesTour(new CertificateClient(vault, credential), secrets),
})
console.log(JSON.stringify({ greeting, ...(what === 'everything' && (await everything())) }))
