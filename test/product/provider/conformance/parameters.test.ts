import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { objectsOf } from '../../../support/provider.ts'
import { dbValue, mounted, type Row, refused, walk } from './walk.ts'

const unknownTenant = '11111111-2222-3333-4444-555555555555'
const flags = ['usePodIdentity', 'useVMManagedIdentity', 'useAzureTokenProxy'] as const

/** The error of a mode that was switched on. */
const modeOf = {
  usePodIdentity: { words: ['NMI at http://127.0.0.1:9 cannot be reached'], code: status.UNAVAILABLE },
  useVMManagedIdentity: { words: ['[managed-identity-not-assigned]'], code: status.UNAUTHENTICATED },
  useAzureTokenProxy: refused('failed to build auth config for mode AzureTokenProxy'),
} as const

const spellings: Row[] = flags.flatMap((flag) => [
  ...['1', 't', 'T', 'TRUE', 'true', 'True', ' true '].map((value) => ({
    name: `${flag} "${value}" is true`,
    parameters: { [flag]: value },
    expect: modeOf[flag],
  })),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False', '', ' '].map((value) => ({
    name: `${flag} "${value}" is false`,
    parameters: { [flag]: value },
    expect: mounted,
  })),
  ...['yes', 'tRue', 'on', 'tru'].map((value) => ({
    name: `${flag} "${value}" is neither`,
    parameters: { [flag]: value },
    expect: refused(`failed to parse ${flag} flag, error: found "${value}", expected "true" or "false"`),
  })),
])

const vaults: Row[] = [
  ...['', ' '].map((name) => ({
    name: `keyvaultName "${name}" is missing`,
    parameters: { keyvaultName: name },
    expect: refused('keyvaultName is not provided'),
  })),
  { name: 'keyvaultName is trimmed', parameters: { keyvaultName: ' shop-vault\n' }, expect: mounted },
  ...['kv', 'a'.repeat(25), 'ä1'].map((name) => ({
    name: `keyvaultName "${name}" has a wrong length`,
    parameters: { keyvaultName: name },
    expect: refused(`failed to get vault: Invalid vault name: "${name}", must be between 3 and 24 chars`),
  })),
  ...['kv_test', 'kv.test', 'kv/test', 'kv@host', 'käse'].map((name) => ({
    name: `keyvaultName "${name}" has a wrong character`,
    parameters: { keyvaultName: name },
    expect: refused(`failed to get vault: Invalid vault name: "${name}", must match [-a-zA-Z0-9]{3,24}`),
  })),
  ...['1shop', '-shop'].map((name) => ({
    name: `keyvaultName "${name}" is asked for, whatever it begins with`,
    parameters: { keyvaultName: name },
    expect: { words: [`${name}.vault.azure.net`], code: status.UNAVAILABLE },
  })),
  {
    name: 'a key in another case is another key, and named',
    parameters: { keyvaultName: '', keyvaultname: 'shop-vault' },
    expect: refused('keyvaultName is not provided (found "keyvaultname"; did you mean keyvaultName?)'),
  },
  {
    name: 'keyvaultName of a class without objects is not looked at',
    parameters: { keyvaultName: 'kv_', objects: 'array: []' },
    expect: { files: {}, ids: [] },
  },
]

const tenants: Row[] = [
  { name: 'no tenant', parameters: { tenantID: '' }, expect: refused('tenantId is not provided') },
  { name: 'a tenant of spaces', parameters: { tenantID: ' ', tenantId: ' ' }, expect: refused('tenantId is not') },
  {
    name: 'tenantId is the older spelling',
    parameters: ({ tenantID }) => ({ tenantID: '', tenantId: ` ${tenantID} ` }),
    expect: mounted,
  },
  { name: 'tenantID wins', parameters: { tenantId: unknownTenant }, expect: mounted },
  { name: 'tenantID is trimmed', parameters: ({ tenantID }) => ({ tenantID: `\t${tenantID} ` }), expect: mounted },
  {
    name: 'another tenant is asked, and not the one that the vault names',
    parameters: { tenantID: unknownTenant },
    expect: { words: ['[entra-tenant-not-found]', unknownTenant], code: status.UNAUTHENTICATED },
  },
  { name: 'a tenant with a slash', parameters: { tenantID: 'a/b' }, expect: refused('invalid tenantID: found "a/b"') },
]

const others: Row[] = [
  {
    name: 'no pod name',
    parameters: { 'csi.storage.k8s.io/pod.name': '' },
    expect: refused('pod name is not provided'),
  },
  {
    name: 'no pod namespace',
    parameters: { 'csi.storage.k8s.io/pod.namespace': ' ' },
    expect: refused('pod namespace is not provided'),
  },
  {
    name: 'two identity modes',
    parameters: { usePodIdentity: 'true', useVMManagedIdentity: 'True' },
    expect: refused(
      'only one identity mode can be enabled at a time: usePodIdentity, useVMManagedIdentity, or useAzureTokenProxy',
    ),
  },
  {
    name: 'userAssignedIdentityID is not looked at beside workload identity',
    parameters: { userAssignedIdentityID: 'not even an id' },
    expect: mounted,
  },
  { name: 'clientID is trimmed', parameters: ({ clientID }) => ({ clientID: ` ${clientID}\n` }), expect: mounted },
  { name: 'objects missing', parameters: { objects: '' }, expect: refused('objects is not set') },
  { name: 'objects of spaces', parameters: { objects: ' \n ' }, expect: refused('objects is not set') },
  {
    name: 'a bad parameter and bad objects are both named',
    parameters: { useVMManagedIdentity: 'maybe', objects: objectsOf({ objectName: 'db', objectType: 'secrt' }) },
    expect: refused('failed to parse useVMManagedIdentity flag', 'Invalid vaultObjectTypes'),
  },
  {
    name: 'unknown and retired keys have no effect',
    parameters: { resourceGroup: 'x', subscriptionId: 'y', somethingElse: 'z', 'example.com/any': 'w' },
    expect: mounted,
  },
  {
    name: 'a key that resembles a known one is named',
    parameters: { clientId: 'app' },
    expect: refused('unknown parameter "clientId" (did you mean clientID?)'),
  },
  {
    name: 'useEmulator where no local Azure is configured',
    parameters: { useEmulator: 'true' },
    expect: refused('useEmulator: this provider has no local Azure configured'),
  },
  { name: 'syncInterval is a duration', parameters: { syncInterval: '30s' }, expect: mounted },
  ...['5', '-1s', '0s', 'soon'].map((value) => ({
    name: `syncInterval "${value}" is invalid`,
    parameters: { syncInterval: value },
    expect: refused(`syncInterval: found "${value}", expected a duration`),
  })),
  {
    name: 'the parameters of a pod override nothing of another pod: files are those of its own request',
    parameters: { objects: objectsOf({ objectName: 'db', objectType: 'secret', objectAlias: 'mine' }) },
    expect: { files: { mine: dbValue } },
  },
]

test('every parameter of a class, with every value that upstream knows', (t) =>
  walk(t, [...spellings, ...vaults, ...tenants, ...others]))
