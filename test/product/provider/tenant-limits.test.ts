import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { createLog } from '#lib'
import { createOpenssl } from '../../support/openssl.ts'
import { attributes, failureOf, objectsOf } from '../../support/provider.ts'
import { startProviderLab } from '../../support/provider-lab.ts'

/** What someone with the role `edit` in one namespace can ask of the provider of a node. */

const db = objectsOf({ objectName: 'db', objectType: 'secret' })

async function startWithVault(t: TestContext) {
  const lab = await startProviderLab(t)
  const identity = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'hunter2')
  return { lab, identity, parameters: { keyvaultName: 'shop-vault', clientID: identity.clientId } }
}

/** A log whose lines a test reads. */
function recordingLog() {
  const lines: string[] = []
  return { lines, log: createLog({ name: 'provider', stream: { write: (line) => void lines.push(line) } }) }
}

async function assignToMachine({ azure }: Awaited<ReturnType<typeof startProviderLab>>, id: string) {
  const group = `/subscriptions/${azure.administrator.subscriptionId}/resourceGroups/keymount-test`
  const path = `${group}/providers/Microsoft.Compute/virtualMachineScaleSets/nodes`
  const identity = { type: 'UserAssigned', userAssignedIdentities: { [id]: {} } }
  await azure.arm.put(path, { location: 'westeurope', identity, properties: {} })
}

test('classes sign in as those identities of the node that the administrator allows', async (t) => {
  const { lab, identity } = await startWithVault(t)
  await assignToMachine(lab, identity.id)
  const request = await lab.request({
    keyvaultName: 'shop-vault',
    objects: db,
    useVMManagedIdentity: 'true',
    userAssignedIdentityID: identity.clientId.toUpperCase(),
  })
  const other = '11111111-2222-3333-4444-555555555555'
  for (const [managedIdentities, allowed] of [
    ['any', true],
    [[identity.clientId], true],
    [[other, identity.clientId], true],
    [[], false],
    [[other], false],
    [['system-assigned'], false],
  ] as const) {
    const { lines, log } = recordingLog()
    const { mount } = await lab.startProvider({ imdsEndpoint: lab.azure.imds, managedIdentities, log })
    if (allowed) assert.equal((await mount(request)).files.length, 1)
    else {
      const { code, details } = await failureOf(mount(request))
      assert.equal(code, status.PERMISSION_DENIED)
      assert.match(details, /does not let classes sign in as .* \(--managed-identities: /)
    }
    const remarks = lines.filter((line) => line.includes('--managed-identities=any lets every class'))
    assert.equal(remarks.length, managedIdentities === 'any' ? 1 : 0)
  }
})

test('a class that lists one secret under many names is refused when its files are larger than a mount may be', async (t) => {
  const { lab, parameters } = await startWithVault(t)
  await lab.azure.setSecret('shop-vault', 'large', 'x'.repeat(25_000))
  const aliases = (count: number) =>
    objectsOf(
      ...Array.from({ length: count }, (_, i) => ({ objectName: 'large', objectType: 'secret', objectAlias: `f${i}` })),
    )
  const { mount } = await lab.startProvider()
  assert.equal((await mount(await lab.request({ ...parameters, objects: aliases(100) }))).files.length, 100)
  const large = await failureOf(mount(await lab.request({ ...parameters, objects: aliases(400) })))
  assert.equal(large.code, status.RESOURCE_EXHAUSTED)
  assert.match(
    large.details,
    /files of one mount, names included: found .*, at most 4 MiB are accepted \(provider --max-mount-bytes raises it\)/,
  )
  const many = await failureOf(mount(await lab.request({ ...parameters, objects: aliases(1800) })))
  assert.match(many.details, /objects of a class: found 1,800, at most 500 are accepted/)
  // What was given back is there for others.
  assert.equal((await mount(await lab.request({ ...parameters, objects: aliases(100) }))).files.length, 100)
})

test('mounts in progress have a budget together, which they give back', async (t) => {
  const { lab, parameters } = await startWithVault(t)
  await lab.azure.setSecret('shop-vault', 'large', 'x'.repeat(25_000))
  const objects = objectsOf({ objectName: 'large', objectType: 'secret' }, { objectName: 'db', objectType: 'secret' })
  const { mount } = await lab.startProvider({ maxAnswerBytes: 20_000 })
  const request = await lab.request({ ...parameters, objects })
  for (let i = 0; i < 2; i++) {
    const { code, details } = await failureOf(mount(request))
    assert.equal(code, status.RESOURCE_EXHAUSTED)
    assert.match(
      details,
      /answers of mounts in progress have 20,000 bytes together \(provider --max-answer-bytes raises it\)/,
    )
  }
  assert.equal((await mount(await lab.request({ ...parameters, objects: db }))).files.length, 1)
})

test('a namespace takes no more than a quarter of the mounts in progress', async (t) => {
  const { lab, parameters } = await startWithVault(t)
  const { mount } = await lab.startProvider()
  await lab.azure.control('PUT', '/delay', { ms: 3000 })
  const request = await lab.request({ ...parameters, objects: db })
  const all = Array.from({ length: 251 }, () =>
    mount(request).then(
      () => 0,
      ({ code }: { code: number }) => code,
    ),
  )
  const elsewhere = { 'csi.storage.k8s.io/pod.namespace': 'other' }
  const other = await failureOf(
    mount(
      await lab.request({ ...parameters, ...elsewhere, objects: db }, { subject: 'system:serviceaccount:other:app' }),
    ),
  )
  assert.equal(other.code, status.UNAUTHENTICATED)
  const codes = await Promise.all(all)
  assert.deepEqual(
    codes.filter((code) => code !== 0),
    [status.RESOURCE_EXHAUSTED],
  )
})

test('a certificate that asks for endless key derivation is refused at once, and other mounts go on', async (t) => {
  const { lab, parameters } = await startWithVault(t)
  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('app', { kind: 'ec' })
  const slow = openssl.pfx({
    key,
    certificates: [certificate],
    args: ['-passout', 'pass:', '-iter', '65537', '-nomac'],
  })
  const at = slow.indexOf(Buffer.from([0x02, 0x03, 0x01, 0x00, 0x01]))
  Buffer.from([0x02, 0x03, 0x7f, 0xff, 0xff]).copy(slow, at)
  const { mount } = await lab.startProvider()
  const { tenantId } = lab.azure.administrator
  const hostile = (clientcertificate: string) =>
    mount({
      attributes: attributes({ keyvaultName: 'shop-vault', tenantID: tenantId, objects: db }),
      secrets: JSON.stringify({ clientid: 'app', clientcertificate }),
    })
  const begin = '-----BEGIN CERTIFICATE-----\n'
  const rows = [
    [slow.toString('base64'), /stretched by 8388607 rounds, at most 200000 are accepted/],
    [begin.repeat(20_000), /there is no private key in it|pkcs12|not usable/],
    [Buffer.alloc(200_000, 0x30).toString('base64'), /not usable/],
    [Buffer.from('3080'.repeat(50_000), 'hex').toString('base64'), /not usable/],
  ] as const
  const refused = Promise.all(
    rows.map(async ([text, words]) => {
      const { code, details } = await failureOf(hostile(text))
      assert.equal(code, status.INVALID_ARGUMENT)
      assert.match(details, words)
    }),
  )
  assert.equal((await mount(await lab.request({ ...parameters, objects: db }))).files.length, 1)
  await refused
})

test('slow certificates of one namespace, each with a client of its own, do not keep those of another waiting', async (t) => {
  const { lab } = await startWithVault(t)
  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('app', {})
  const pfx = (rounds: number) =>
    openssl.pfx({ key, certificates: [certificate], args: ['-passout', 'pass:', '-iter', String(rounds)] })
  const { mount } = await lab.startProvider()
  const { tenantId } = lab.azure.administrator
  // Entra knows none of these clients: each mount fails once its certificate has been read.
  const signIn = (namespace: string, clientid: string, file: Buffer) => {
    const pod = { 'csi.storage.k8s.io/pod.namespace': namespace }
    const secrets = { clientid, clientcertificate: file.toString('base64') }
    return failureOf(
      mount({
        attributes: attributes({ keyvaultName: 'shop-vault', tenantID: tenantId, objects: db, ...pod }),
        secrets: JSON.stringify(secrets),
      }),
    )
  }
  const [slow, quick] = [pfx(50_000), pfx(1)]
  let ended = 0
  const noisy = Array.from({ length: 12 }, async (_, i) => {
    const { details } = await signIn('noisy', `client-${i}`, slow)
    ended++
    return details
  })
  assert.match((await signIn('quiet', 'client', quick)).details, /AADSTS/)
  assert.ok(ended < 6, `${ended} of the others had ended`)
  for (const details of await Promise.all(noisy)) assert.match(details, /AADSTS|no worker thread was free/)
})

test('a pod of another namespace than that of its tokens is refused', async (t) => {
  const { lab, parameters } = await startWithVault(t)
  const { mount } = await lab.startProvider()
  for (const [change, claims] of [
    [{ 'csi.storage.k8s.io/pod.namespace': 'kube-system' }, {}],
    [
      { 'csi.storage.k8s.io/pod.name': 'victim' },
      { 'kubernetes.io': { namespace: 'default', pod: { name: 'app-0' } } },
    ],
  ] as const) {
    const { code, details } = await failureOf(
      mount(await lab.request({ ...parameters, ...change, objects: db }, { claims })),
    )
    assert.equal(code, status.INVALID_ARGUMENT)
    assert.match(details, /comes with a service account token of default\/(\*|app-0)/)
  }
  const own = { 'kubernetes.io': { namespace: 'default', pod: { name: 'app-0' } } }
  assert.equal((await mount(await lab.request({ ...parameters, objects: db }, { claims: own }))).files.length, 1)
})

test('tokens of another audience sign in where the provider prefers it', async (t) => {
  const { lab } = await startWithVault(t)
  const audience = 'api://AzureADTokenExchangeUSGov'
  const identity = await lab.azure.createIdentity('of-another-audience')
  await lab.azure.arm.put(`${identity.id}/federatedIdentityCredentials/usgov`, {
    properties: { issuer: lab.issuer.url, subject: 'system:serviceaccount:default:app', audiences: [audience] },
  })
  const scope = `/subscriptions/${lab.azure.administrator.subscriptionId}`
  await lab.azure.assignRole('Key Vault Secrets User', identity.principalId, scope)
  const parameters = { keyvaultName: 'shop-vault', clientID: identity.clientId }
  const request = await lab.request({ ...parameters, objects: db }, { audience })
  const refused = await failureOf((await lab.startProvider()).mount(request))
  assert.match(
    refused.details,
    /token for audience api:\/\/AzureADTokenExchange not found \(found: api:\/\/AzureADTokenExchangeUSGov/,
  )
  const { mount } = await lab.startProvider({ tokenAudiences: ['api://AzureADTokenExchange', audience] })
  assert.equal((await mount(request)).files.length, 1)
})

test('what a user should know about an object that was mounted is logged', async (t) => {
  const { lab, parameters } = await startWithVault(t)
  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('app', { kind: 'ec' })
  const pfx = openssl.pfx({ key, certificates: [certificate], args: ['-passout', 'pass:'] })
  const nbf = Math.floor(Date.now() / 1000) + 86_400
  await lab.vault('shop-vault', 'PUT', '/secrets/later', { value: 'x', attributes: { nbf } })
  await lab.azure.setSecret('shop-vault', 'pfx', pfx.toString('base64'))
  const { lines, log } = recordingLog()
  const { mount } = await lab.startProvider({ log })
  const secret = (objectName: string, more: Record<string, string> = {}) => ({
    objectName,
    objectType: 'secret',
    ...more,
  })
  const remarks = async (object: Record<string, string>) => {
    lines.length = 0
    const outcome = await mount(await lab.request({ ...parameters, objects: objectsOf(object) })).then(
      () => '',
      ({ details }: { details: string }) => details,
    )
    return lines.join('') + outcome
  }
  assert.match(await remarks(secret('later')), /the mounted version is not valid yet/)
  assert.match(
    await remarks(secret('pfx')),
    /the secret is a PFX file in base64; objectEncoding: base64 gives the file itself/,
  )
  assert.doesNotMatch(await remarks(secret('pfx', { objectEncoding: 'base64' })), /PFX file in base64/)
  assert.doesNotMatch(await remarks(secret('db')), /"level":"warn"/)
})

test('metrics show names of objects as the administrator chose', async (t) => {
  const { lab, parameters } = await startWithVault(t)
  const request = await lab.request({ ...parameters, objects: db })
  for (const [objectNameLabels, label] of [
    ['plain', 'object_name="db"'],
    ['hashed', ''],
    ['none', 'object_name=""'],
  ] as const) {
    const { mount, running } = await lab.startProvider({ objectNameLabels })
    await mount(request)
    const text = await (await fetch(`http://127.0.0.1:${running.metricsPort}/metrics`)).text()
    const names = new Set([...text.matchAll(/object_name="[^"]*"/g)].map(([name]) => name))
    if (objectNameLabels === 'hashed') assert.match([...names].join(), /^object_name="[0-9a-f]{12}"$/)
    else assert.deepEqual([...names], [label])
  }
})
