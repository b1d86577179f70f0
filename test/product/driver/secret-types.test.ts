import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { resources, type Secret } from '#kubernetes/client'
import { startDriver, type TestDriver } from '../../support/driver.ts'
import { createOpenssl, type KeyKind, type Openssl } from '../../support/openssl.ts'

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

function subjectsOf(secret: Secret): string[] {
  const pem = bytes(secret, 'tls.crt').toString()
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return certificates.map((one) => new X509Certificate(one).subject)
}

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

    assert.deepEqual(subjectsOf(secret), ['CN=leaf', 'CN=ca'])
    const key = bytes(secret, 'tls.key').toString()
    assert.match(key, new RegExp(`^-----BEGIN ${label}-----\n`))
    assert.ok(new X509Certificate(leaf.certificate).checkPrivateKey(createPrivateKey(key)))
  })
}

for (const [kind, label] of [
  ['rsa', 'RSA PRIVATE KEY'],
  ['ec', 'EC PRIVATE KEY'],
  ['ed25519', 'PRIVATE KEY'],
] as const) {
  test(`a TLS Secret takes the ${kind} key and the chain out of one PEM file, leaf first`, async (t) => {
    const openssl = createOpenssl(t)
    const ca = openssl.certificate('ca', { ca: true })
    const leaf = openssl.certificate('leaf', { kind: kind === 'ed25519' ? 'rsa' : kind, issuer: ca })
    const key = kind === 'ed25519' ? openssl.run(['genpkey', '-algorithm', 'ed25519']).toString() : leaf.key
    const bundle = `${ca.certificate}noise\n${key}more noise\n${leaf.certificate}`
    const { secret } = await secretFor(t, { type: 'kubernetes.io/tls', data: { 'tls.crt': bundle, 'tls.key': bundle } })
    assert.deepEqual(subjectsOf(secret), ['CN=leaf', 'CN=ca'])
    assert.match(bytes(secret, 'tls.key').toString(), new RegExp(`^-----BEGIN ${label}-----\n`))
  })
}

/** Texts that OpenSSL and Go read. https://www.rfc-editor.org/rfc/rfc7468#section-3 */
const lenient: { what: string; bundle: (pem: { key: string; certificate: string }, openssl: Openssl) => string }[] = [
  {
    what: 'blanks behind the header lines',
    bundle: ({ key, certificate }) => (key + certificate).replaceAll(/-----$/gm, '----- \t'),
  },
  { what: 'CRLF line ends', bundle: ({ key, certificate }) => (key + certificate).replaceAll('\n', '\r\n') },
  {
    what: 'DH parameters behind the key',
    bundle: ({ key, certificate }) =>
      `${certificate}${key}-----BEGIN DH PARAMETERS-----\nMEYCQQ==\n-----END DH PARAMETERS-----\n`,
  },
  {
    what: 'its public key behind the key',
    bundle: ({ key, certificate }, openssl) => key + openssl.run(['pkey', '-pubout'], key) + certificate,
  },
  {
    what: 'EC parameters in front of the key and behind it',
    bundle({ key, certificate }, openssl) {
      const parameters = openssl.run(['ecparam', '-name', 'prime256v1']).toString()
      return `${certificate}${parameters}${key}${parameters}`
    },
  },
]
for (const { what, bundle } of lenient) {
  test(`a TLS Secret takes PEM with ${what}`, async (t) => {
    const openssl = createOpenssl(t)
    const leaf = openssl.certificate('leaf', { kind: 'ec' })
    const content = bundle(leaf, openssl)
    openssl.run(['x509', '-noout'], content)
    openssl.run(['pkey', '-noout'], content)
    const { secret } = await secretFor(t, {
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': content, 'tls.key': content },
    })
    assert.deepEqual(subjectsOf(secret), ['CN=leaf'])
    const key = createPrivateKey(bytes(secret, 'tls.key').toString())
    assert.ok(new X509Certificate(leaf.certificate).checkPrivateKey(key))
  })
}

test('the chain of a TLS Secret is the longest path from the leaf, whatever else the file holds', async (t) => {
  const openssl = createOpenssl(t)
  const root = openssl.certificate('root', { ca: true })
  const upper = openssl.certificate('upper', { ca: true, issuer: root })
  const other = openssl.certificate('other', { ca: true, issuer: root })
  const lower = openssl.certificate('lower', { ca: true, issuer: upper })
  const leaf = openssl.certificate('leaf', { issuer: lower })
  const pem = (...all: (typeof leaf)[]) => all.map(({ certificate }) => certificate).join('')
  const chainOf = async (crt: string) => {
    const { secret } = await secretFor(t, { type: 'kubernetes.io/tls', data: { 'tls.crt': crt, 'tls.key': leaf.key } })
    return subjectsOf(secret).map((subject) => subject.slice('CN='.length))
  }
  assert.deepEqual(await chainOf(pem(leaf, root, upper, lower)), ['leaf', 'lower', 'upper', 'root'])
  assert.deepEqual(await chainOf(pem(leaf, upper, other, lower)), ['leaf', 'lower', 'upper', 'other'])
  assert.deepEqual(await chainOf(pem(leaf, root, lower)), ['leaf', 'lower', 'root'])
})

test('a PFX that asks for more rounds than the limit costs its own Secret alone', async (t) => {
  const openssl = createOpenssl(t)
  const leaf = openssl.certificate('leaf')
  const { key, certificate } = leaf
  const pfx = openssl.pfx({ key, certificates: [certificate], args: ['-passout', 'pass:', '-iter', '300000'] })
  const driver = await startDriver(t)
  for (const [name, content] of [
    ['hostile', pfx],
    ['good', key + certificate],
  ] as const)
    driver.provider.objects.set(name, { content, version: '1' })
  const secretObjects = ['hostile', 'good'].map((objectName) => ({
    secretName: objectName,
    type: 'kubernetes.io/tls',
    data: [
      { objectName, key: 'tls.crt' },
      { objectName, key: 'tls.key' },
    ],
  }))
  await driver.mountedPod({ objects: ['hostile', 'good'], secretObjects })
  const { items } = await driver.kube.list(resources.secrets, { namespace: 'default' })
  assert.deepEqual(
    items.map(({ metadata }) => metadata.name),
    ['good'],
  )
  const [event] = (await driver.events()).filter(({ reason }) => reason === 'FailedToCreateSecret')
  assert.match(event?.message ?? '', /"hostile" .*rounds/)
})

test('a PFX with a password is refused with an event, and the pod starts', async (t) => {
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
  assert.match(event?.message ?? '', /"pfx" cannot be read as PEM or as a PFX without a password/)
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
