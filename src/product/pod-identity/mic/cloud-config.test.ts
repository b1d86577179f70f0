import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { ProblemsError } from '#lib'
import { cloudConfigOfEnvironment, parseCloudConfig } from './cloud-config.ts'

const principal = {
  cloud: 'AzurePublicCloud',
  tenantId: 'tenant',
  aadClientId: 'client',
  aadClientSecret: 'planted-secret',
  subscriptionId: 'sub',
  resourceGroup: 'nodes',
  vmType: 'vmss',
}
const managed = { ...principal, aadClientId: 'msi', aadClientSecret: 'msi', useManagedIdentityExtension: true }

test('parseCloudConfig() reads azure.json: how the controller signs in, and the identity that the cluster runs with', () => {
  const rows: [string, object, string | undefined, object][] = [
    ['service principal', principal, undefined, { kind: 'service-principal', tenantId: 'tenant', clientId: 'client' }],
    ['system-assigned', managed, undefined, { kind: 'managed', clientId: undefined }],
    [
      'user-assigned',
      { ...managed, userAssignedIdentityID: 'kubelet' },
      'kubelet',
      { kind: 'managed', clientId: 'kubelet' },
    ],
  ]
  for (const [name, file, clusterIdentity, credential] of rows) {
    const config = parseCloudConfig(JSON.stringify(file))
    assert.equal(config.clusterIdentity, clusterIdentity, name)
    assert.partialDeepStrictEqual(config, {
      credential,
      subscriptionId: 'sub',
      resourceGroup: 'nodes',
      cloud: { resourceManager: 'https://management.azure.com' },
    })
  }
})

test('parseCloudConfig() reports everything that is wrong, and never a value', () => {
  assert.throws(
    () => parseCloudConfig(JSON.stringify({ cloud: 'AzureMoon', aadClientSecret: 'planted-secret' })),
    (error: unknown) => {
      assert.ok(error instanceof ProblemsError)
      const paths = error.problems.map(({ path }) => path).toSorted()
      assert.deepEqual(paths, ['aadClientId', 'cloud', 'resourceGroup', 'subscriptionId', 'tenantId'])
      assert.doesNotMatch(error.message, /planted/)
      return true
    },
  )
  assert.throws(
    () => parseCloudConfig('{"aadClientSecret": "planted-secret'),
    (error: unknown) => !/planted/.test(inspect(error)) && /the file is not valid JSON: line 1/.test(inspect(error)),
  )
  assert.doesNotMatch(inspect(parseCloudConfig(JSON.stringify(principal)), { depth: 9 }), /planted/)
})

test('cloudConfigOfEnvironment() reads the same from variables, and names these', () => {
  const env = {
    TENANT_ID: 'tenant',
    CLIENT_ID: 'client',
    CLIENT_SECRET: 's',
    SUBSCRIPTION_ID: 'sub',
    RESOURCE_GROUP: 'nodes',
  }
  assert.equal(cloudConfigOfEnvironment(env).subscriptionId, 'sub')
  assert.equal(cloudConfigOfEnvironment({ ...env, USE_MSI: 'true' }).credential.kind, 'managed')
  assert.throws(() => cloudConfigOfEnvironment({ ...env, CLIENT_SECRET: '' }), /environment: CLIENT_SECRET: missing/)
})
