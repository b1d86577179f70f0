import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { attributes, failureOf, objectsOf, startProvider } from '../support/provider.ts'

const good = {
  keyvaultName: 'shop',
  tenantID: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  objects: objectsOf({ objectName: 'db', objectType: 'secret' }),
}
const secrets = JSON.stringify({ clientid: 'app', clientsecret: 'planted-client-secret' })

test('version() answers the three values of the field', async (t) => {
  const provider = await startProvider(t)
  assert.deepEqual(await provider.version(), {
    version: 'v1alpha1',
    runtimeName: 'secrets-store-csi-driver-provider-azure',
    runtimeVersion: 'v0.0.0-test',
  })
  assert.deepEqual(await provider.health(), { status: 1 })
})

test('mount() accepts an empty list of objects', async (t) => {
  const { mount } = await startProvider(t)
  for (const objects of ['array: []', 'array:', '# nothing', 'array:\n  -\n']) {
    const response = await mount({ attributes: attributes({ ...good, objects }), secrets })
    assert.deepEqual(response.files, [], objects)
  }
})

const rows: {
  name: string
  change: Record<string, string>
  secrets?: string
  text: string | RegExp
  more?: string[]
}[] = [
  { name: 'no pod name', change: { 'csi.storage.k8s.io/pod.name': '' }, text: 'pod name is not provided' },
  {
    name: 'no pod namespace',
    change: { 'csi.storage.k8s.io/pod.namespace': ' ' },
    text: 'pod namespace is not provided',
  },
  { name: 'no vault', change: { keyvaultName: '' }, text: 'keyvaultName is not provided' },
  {
    name: 'a misspelt vault',
    change: { keyvaultName: '', keyvaultname: 'shop' },
    text: 'keyvaultName is not provided (found "keyvaultname"; did you mean keyvaultName?)',
  },
  { name: 'no tenant', change: { tenantID: '' }, text: 'tenantId is not provided' },
  { name: 'a tenant with a slash', change: { tenantID: 'a/b' }, text: 'invalid tenantID: found "a/b"' },
  {
    name: 'usePodIdentity misspelt',
    change: { usePodIdentity: 'tru' },
    text: 'failed to parse usePodIdentity flag, error: strconv.ParseBool: parsing "tru": invalid syntax',
  },
  {
    name: 'useVMManagedIdentity misspelt',
    change: { useVMManagedIdentity: 'yes' },
    text: 'failed to parse useVMManagedIdentity flag, error: strconv.ParseBool: parsing "yes": invalid syntax',
  },
  {
    name: 'useAzureTokenProxy misspelt',
    change: { useAzureTokenProxy: 'on' },
    text: 'failed to parse useAzureTokenProxy flag',
  },
  {
    name: 'two identity modes',
    change: { usePodIdentity: 'true', useVMManagedIdentity: 'True' },
    text: 'only one identity mode can be enabled at a time: usePodIdentity, useVMManagedIdentity, or useAzureTokenProxy',
  },
  {
    name: 'an unknown cloud',
    change: { cloudName: 'AzureCloud1' },
    text: 'cloudName AzureCloud1 is not valid, error: autorest/azure: There is no cloud environment matching the name "AZURECLOUD1"',
  },
  {
    name: 'a stack cloud without its file',
    change: { cloudName: 'AzureStackCloud', cloudEnvFileName: '/nowhere/stack.json' },
    text: 'cloudName AzureStackCloud is not valid, error: open /nowhere/stack.json: no such file or directory',
  },
  { name: 'no objects', change: { objects: '  ' }, text: 'objects is not set' },
  { name: 'objects that are a word', change: { objects: 'db' }, text: 'cannot unmarshal !!str into types.StringArray' },
  {
    name: 'broken YAML',
    change: { objects: 'array:\n\t- x' },
    text: /failed to yaml unmarshal objects, error: yaml: line \d+/,
  },
  {
    name: 'an entry that is a word',
    change: { objects: 'array:\n  - |\n    db\n' },
    text: 'unmarshal failed for keyVaultObjects at index 0, error: yaml: unmarshal errors: cannot unmarshal !!str into types.KeyVaultObject',
  },
  {
    name: 'a field given twice',
    change: { objects: 'array:\n  - |\n    objectName: a\n    objectName: b\n' },
    text: 'mapping key "objectName" already defined',
  },
  {
    name: 'a control character',
    change: { objects: 'array:\n  - "a\u0007"\n' },
    text: 'yaml: control characters are not allowed',
  },
  {
    name: 'a wrong objectType',
    change: { objects: objectsOf({ objectName: 'db', objectType: 'secrt' }) },
    text: 'failed to get objectType:secrt, objectName:db, objectVersion:: Invalid vaultObjectTypes. Should be secret, key, or cert',
    more: ['did you mean secret?'],
  },
  {
    name: 'a misspelt field',
    change: { objects: objectsOf({ objectName: 'db', objectType: 'secret', objectalias: 'x' }) },
    text: 'unknown field "objectalias"',
    more: ['did you mean objectAlias?'],
  },
  {
    name: 'a wrong format',
    change: { objects: objectsOf({ objectName: 'db', objectType: 'secret', objectFormat: 'pkcs' }) },
    text: 'invalid objectFormat: pkcs, should be PEM or PFX',
  },
  {
    name: 'PFX of a certificate',
    change: { objects: objectsOf({ objectName: 'db', objectType: 'cert', objectFormat: 'PFX' }) },
    text: 'PFX format only supported for objectType: secret',
  },
  {
    name: 'a wrong encoding',
    change: { objects: objectsOf({ objectName: 'db', objectType: 'secret', objectEncoding: 'utf-16' }) },
    text: 'invalid objectEncoding: utf-16, should be hex, base64 or utf-8',
  },
  {
    name: 'an encoding of a certificate',
    change: { objects: objectsOf({ objectName: 'db', objectType: 'cert', objectEncoding: 'base64' }) },
    text: 'objectEncoding only supported for objectType: secret',
  },
  {
    name: 'an octal mode that is none',
    change: { objects: objectsOf({ objectName: 'db', objectType: 'secret', filePermission: '0900' }) },
    text: 'invalid filePermission: 0900',
  },
  {
    name: 'a quoted history',
    change: { objects: objectsOf({ objectName: 'db', objectType: 'secret', objectVersionHistory: '"5"' }) },
    text: 'cannot unmarshal !!str `5` into int32',
  },
  {
    name: 'a short vault name',
    change: { keyvaultName: 'kv' },
    text: 'failed to get vault: Invalid vault name: "kv", must be between 3 and 24 chars',
  },
  {
    name: 'a vault name with an underscore',
    change: { keyvaultName: 'kv_test' },
    text: 'failed to get vault: Invalid vault name: "kv_test", must match [-a-zA-Z0-9]{3,24}',
  },
  {
    name: 'no identity at all',
    change: {},
    secrets: 'null',
    text: 'failed to build auth config for mode None: failed to get credentials, nodePublishSecretRef secret is not set',
  },
  { name: 'an empty secret', change: {}, secrets: '{}', text: 'could not find clientid in secrets' },
  {
    name: 'a secret without its value',
    change: {},
    secrets: '{"ClientID":"x"}',
    text: 'could not find clientsecret in secrets',
  },
  {
    name: 'workload identity without tokens',
    change: { clientID: 'app' },
    text: 'failed to build auth config for mode None: failed to parse workload identity tokens, error: service account tokens not found',
  },
  {
    name: 'tokens that are no JSON',
    change: { clientID: 'app', 'csi.storage.k8s.io/serviceAccount.tokens': '{"a' },
    text: 'failed to parse workload identity tokens, error: failed to unmarshal service account tokens, error:',
  },
  {
    name: 'tokens for another audience',
    change: { clientID: 'app', 'csi.storage.k8s.io/serviceAccount.tokens': '{"other":{"token":"x"}}' },
    text: 'token for audience api://AzureADTokenExchange not found',
    more: ['(found: other;'],
  },
  {
    name: 'identity binding without a client',
    change: { useAzureTokenProxy: 'true' },
    text: 'failed to build auth config for mode AzureTokenProxy: clientID is required for identity binding',
  },
  {
    name: 'identity binding without tokens',
    change: { useAzureTokenProxy: 'true', clientID: 'app' },
    text: 'service account tokens are required for identity binding',
  },
  {
    name: 'useEmulator where none is configured',
    change: { useEmulator: 'true' },
    text: 'useEmulator: this provider has no local Azure configured',
  },
  {
    name: 'a syncInterval that is none',
    change: { syncInterval: '5' },
    text: 'syncInterval: found "5", expected a duration',
  },
  {
    name: 'clientId for clientID',
    change: { clientId: 'app' },
    text: 'unknown parameter "clientId" (did you mean clientID?)',
  },
]

for (const { name, change, text, secrets: given = secrets, more = [] } of rows) {
  test(`mount() refuses ${name} and says what would be right`, async (t) => {
    const { mount } = await startProvider(t)
    const { code, details } = await failureOf(mount({ attributes: attributes({ ...good, ...change }), secrets: given }))
    assert.equal(code, status.INVALID_ARGUMENT, details)
    assert.ok(details.startsWith('failed to mount objects, error: '), details)
    if (typeof text === 'string') assert.ok(details.includes(text), details)
    else assert.match(details, text)
    for (const one of more) assert.ok(details.includes(one), details)
    assert.ok(!details.includes('planted'), details)
  })
}

test('mount() names every problem of a class at once', async (t) => {
  const { mount } = await startProvider(t)
  const objects = objectsOf(
    { objectName: 'a', objectType: 'x' },
    { objectName: 'b_', objectType: 'key', objectAlias: '../b' },
  )
  const change = { tenantID: '', useVMManagedIdentity: 'maybe', cloudName: 'Mars', objects }
  const { details } = await failureOf(mount({ attributes: attributes({ ...good, ...change }), secrets: 'null' }))
  for (const text of [
    'tenantId is not provided',
    'useVMManagedIdentity',
    'cloudName Mars',
    'objects[0].objectType',
    'objects[1].objectName',
    "must not contain '..'",
    'nodePublishSecretRef',
  ]) {
    assert.ok(details.includes(text), `${text} in ${details}`)
  }
})

for (const [field, request, text] of [
  ['attributes', { attributes: '' }, 'failed to unmarshal attributes, error: '],
  ['attributes', { attributes: '{"a":1}' }, 'failed to unmarshal attributes, error: '],
  ['secrets', { secrets: '' }, 'failed to unmarshal secrets, error: '],
  ['secrets', { secrets: '["planted"]' }, 'failed to unmarshal secrets, error: '],
  ['permission', { permission: '' }, 'failed to unmarshal file permission, error: '],
  ['permission', { permission: '-1' }, 'failed to unmarshal file permission, error: '],
  ['permission', { permission: '"420"' }, 'failed to unmarshal file permission, error: '],
  ['permission', { permission: '4294967296' }, 'failed to unmarshal file permission, error: '],
] as const) {
  test(`mount() refuses ${field} ${JSON.stringify(request)}`, async (t) => {
    const { mount } = await startProvider(t)
    const { code, details } = await failureOf(mount({ attributes: attributes(good), secrets, ...request }))
    assert.equal(code, status.INVALID_ARGUMENT)
    assert.ok(details.startsWith(text), details)
    assert.ok(!details.includes('planted'), details)
  })
}
