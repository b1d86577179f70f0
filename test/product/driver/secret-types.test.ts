import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { resources, type Secret } from '#kubernetes/client'
import { startDriver, type TestDriver } from '../../support/driver.ts'
import { createOpenssl, type KeyKind } from '../../support/openssl.ts'

interface Wanted {
  type: string
  /** Content of the mounted file by the key that it gets. */
  data: Record<string, string | Buffer>
}

/** Mounts files with these contents for a class that asks for one Secret of them; gives driver and Secret. */
async function secretFor(t: TestContext, { type, data }: Wanted): Promise<{ driver: TestDriver; secret: Secret }> {
  const driver = await startDriver(t)
  const entries = Object.entries(data).map(([key, content], i) => ({ key, content, objectName: `file${i}` }))
  for (const { objectName, content } of entries) driver.provider.objects.set(objectName, { content, version: '1' })
  const pod = await driver.pod({
    objects: entries.map(({ objectName }) => objectName),
    secretObjects: [{ secretName: 'made', type, data: entries.map(({ key, objectName }) => ({ key, objectName })) }],
  })
  await driver.publish(pod.request)
  const secret = await driver.kube.get(resources.secrets, { name: 'made', namespace: 'default' })
  return { driver, secret }
}

const bytes = ({ data }: Secret, key: string) => Buffer.from(data?.[key] ?? '', 'base64')

for (const [kind, label, cipher, args] of [
  ['rsa', 'RSA PRIVATE KEY', 'AES, as openssl makes it today', ['-passout', 'pass:']],
  [
    'rsa',
    'RSA PRIVATE KEY',
    '3DES and SHA-1, as Key Vault makes it',
    ['-passout', 'pass:', '-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1'],
  ],
  ['ec', 'EC PRIVATE KEY', 'AES', ['-passout', 'pass:']],
] as const satisfies [KeyKind, string, string, string[]][]) {
  test(`a TLS Secret takes the ${kind} key and the chain out of a PFX file (${cipher})`, async (t) => {
    const openssl = createOpenssl(t)
    const ca = openssl.certificate('ca', { ca: true })
    const leaf = openssl.certificate('leaf', { kind, issuer: ca })
    const pfx = openssl.pfx({ key: leaf.key, certificates: [leaf.certificate, ca.certificate], args })
    const { secret } = await secretFor(t, { type: 'kubernetes.io/tls', data: { 'tls.crt': pfx, 'tls.key': pfx } })

    const certificates = bytes(secret, 'tls.crt')
      .toString()
      .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
    const subjects = certificates?.map((pem) => new X509Certificate(pem).subject)
    assert.deepEqual(subjects, ['CN=leaf', 'CN=ca'])
    const key = bytes(secret, 'tls.key').toString()
    assert.match(key, new RegExp(`^-----BEGIN ${label}-----\n`))
    assert.ok(new X509Certificate(leaf.certificate).checkPrivateKey(createPrivateKey(key)))
  })
}

test('a PFX with a password is refused with an event that says so, and the pod starts', async (t) => {
  const openssl = createOpenssl(t)
  const leaf = openssl.certificate('leaf')
  const pfx = openssl.pfx({ key: leaf.key, certificates: [leaf.certificate], args: ['-passout', 'pass:secret'] })
  const driver = await startDriver(t)
  driver.provider.objects.set('pfx', { content: pfx, version: '1' })
  const data = [{ objectName: 'pfx', key: 'tls.crt' }]
  const pod = await driver.pod({
    objects: ['pfx'],
    secretObjects: [{ secretName: 's', type: 'kubernetes.io/tls', data }],
  })
  await driver.publish(pod.request)
  const [event] = (await driver.events()).filter(({ reason }) => reason === 'FailedToCreateSecret')
  assert.match(event?.message ?? '', /"pfx" holds no certificate: it is neither PEM nor a PFX without a password/)
})

test('PFX, JKS and every other file stay the bytes that they are in an Opaque Secret', async (t) => {
  const openssl = createOpenssl(t)
  const leaf = openssl.certificate('leaf')
  const pfx = openssl.pfx({ key: leaf.key, certificates: [leaf.certificate], args: ['-passout', 'pass:'] })
  const jks = Buffer.from('feedfeed00000002000000ff00fe', 'hex')
  const { secret } = await secretFor(t, { type: 'Opaque', data: { 'store.pfx': pfx, 'store.jks': jks } })
  assert.deepEqual(bytes(secret, 'store.pfx'), pfx)
  assert.deepEqual(bytes(secret, 'store.jks'), jks)
})

const dockerConfig = JSON.stringify({ auths: { 'registry.example.com': { auth: 'dXNlcjpwYXNz' } } })

for (const [type, data] of Object.entries<Record<string, string>>({
  'kubernetes.io/dockerconfigjson': { '.dockerconfigjson': dockerConfig },
  'kubernetes.io/dockercfg': { '.dockercfg': '{"registry.example.com":{"auth":"dXNlcjpwYXNz"}}' },
  'kubernetes.io/basic-auth': { username: 'user', password: 'a p@ss\nword' },
  'kubernetes.io/ssh-auth': {
    'ssh-privatekey': '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n',
  },
  'example.com/of-its-own': { anything: 'goes' },
})) {
  test(`a Secret of type ${type} has the files as they are`, async (t) => {
    const { secret } = await secretFor(t, { type, data })
    assert.equal(secret.type, type)
    for (const [key, content] of Object.entries(data)) assert.equal(bytes(secret, key).toString(), content)
  })
}
