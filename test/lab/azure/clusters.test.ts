import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createClusterBackend, type TestClusterBackend } from '../../support/cluster-backend.ts'
import { eventually } from '../../support/eventually.ts'
import { ArmFailure, startLocalAzure, type TestAzure, testGroup } from '../../support/local-azure.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const addon = 'azureKeyvaultSecretsProvider'

const body = (addonProfiles: object = {}) => ({
  location: 'westeurope',
  identity: { type: 'SystemAssigned' },
  properties: {
    kubernetesVersion: '',
    dnsPrefix: 'shop',
    agentPoolProfiles: [{ name: 'nodepool1', count: 1, vmSize: '', mode: 'System' }],
    oidcIssuerProfile: { enabled: true },
    addonProfiles,
  },
})
const withAddon = body({
  [addon]: { enabled: true, config: { enableSecretRotation: 'true', rotationPollInterval: '1m' } },
})

async function clustersOf(t: TestContext, backend: TestClusterBackend | undefined = createClusterBackend()) {
  const azure = await startLocalAzure(t, { clusterBackend: backend })
  return { azure, backend, ...pathsOf(azure) }
}

function pathsOf({ administrator, arm }: TestAzure) {
  const groups = `/subscriptions/${administrator.subscriptionId}/resourceGroups`
  const cluster = `${groups}/${testGroup}/providers/Microsoft.ContainerService/managedClusters/shop`
  const settled = () =>
    eventually(async () => {
      const found = await arm.get(cluster)
      assert.doesNotMatch(found.properties.provisioningState, /ing$/)
      return found
    })
  return { cluster, nodeGroup: `${groups}/MC_${testGroup}_shop_westeurope`, settled }
}

const refusedWith = (status: number, code: string) => (error: unknown) => {
  assert.ok(error instanceof ArmFailure)
  assert.deepEqual([error.status, error.code], [status, code], error.message)
  return true
}

test('without a backend that runs clusters, none can be created', async (t) => {
  const azure = await startLocalAzure(t)
  await assert.rejects(azure.arm.put(pathsOf(azure).cluster, body()), refusedWith(501, 'NotImplemented'))
})

test('a cluster is created in the background, with a group for its nodes', async (t) => {
  const { azure, backend, cluster, nodeGroup, settled } = await clustersOf(t)
  const { promise, resolve } = Promise.withResolvers<void>()
  backend.gate = () => promise
  const creating = await azure.arm.put(cluster, body())
  assert.equal(creating.properties.provisioningState, 'Creating')
  await assert.rejects(azure.arm.put(cluster, body()), refusedWith(409, 'OperationNotAllowed'))
  resolve()
  const { identity, properties } = await settled()
  assert.equal(properties.provisioningState, 'Succeeded')
  assert.equal(properties.oidcIssuerProfile.issuerURL, 'https://localhost:6443')
  assert.equal(properties.currentKubernetesVersion, '1.34.0')
  assert.equal(identity.principalId, creating.identity.principalId)
  const { value: inside } = await azure.arm.get(`${nodeGroup}/resources`)
  assert.deepEqual(inside.map(({ type }: { type: string }) => type).toSorted(), [
    'Microsoft.Compute/virtualMachineScaleSets',
    'Microsoft.ManagedIdentity/userAssignedIdentities',
  ])
  assert.match(properties.identityProfile.kubeletidentity.resourceId, /shop-agentpool$/)
})

test('the add-on has an identity on the nodes while it is enabled', async (t) => {
  const { azure, backend, cluster, nodeGroup, settled } = await clustersOf(t)
  await azure.arm.put(cluster, withAddon)
  const { properties } = await settled()
  const { clientId, resourceId } = properties.addonProfiles[addon].identity
  assert.match(resourceId, /azurekeyvaultsecretsprovider-shop$/)
  const [settings] = backend.clusters.values()
  assert.deepEqual({ ...settings, imds: undefined }, { rotation: true, rotationPollInterval: '1m', imds: undefined })
  const scaleSets = `${nodeGroup}/providers/Microsoft.Compute/virtualMachineScaleSets`
  const identities = async () => {
    const { value } = await azure.arm.get(scaleSets)
    return Object.values(value[0].identity.userAssignedIdentities as Record<string, { clientId: string }>)
  }
  assert.ok((await identities()).some((identity) => identity.clientId === clientId))

  const off = body({ [addon]: { enabled: false } })
  backend.classes = ['default/orders']
  await assert.rejects(azure.arm.put(cluster, off), refusedWith(400, 'BadRequest'))
  backend.classes = []
  await azure.arm.put(cluster, off)
  assert.deepEqual((await settled()).properties.addonProfiles[addon], { enabled: false, config: null })
  assert.equal((await identities()).length, 1)
  assert.deepEqual([...backend.clusters.values()], [undefined])
})

test('a cluster that cannot be started is Failed, with the reason', async (t) => {
  const { azure, backend, cluster, settled } = await clustersOf(t)
  backend.gate = () => Promise.reject(new Error('no port is free'))
  await azure.arm.put(cluster, body())
  assert.equal((await settled()).properties.provisioningState, 'Failed')
  await assert.rejects(
    azure.arm('POST', `${cluster}/listClusterUserCredential`),
    refusedWith(409, 'OperationNotAllowed'),
  )
  await azure.arm.delete(cluster)
  await eventually(() => assert.rejects(azure.arm.get(cluster), refusedWith(404, 'ResourceNotFound')))
})

test('what the lab cannot run is refused before anything is created', async (t) => {
  const { azure, backend, cluster } = await clustersOf(t)
  const monitoring = body({ omsagent: { enabled: true } })
  await assert.rejects(azure.arm.put(cluster, monitoring), refusedWith(501, 'NotImplemented'))
  const old = { ...body(), properties: { ...body().properties, kubernetesVersion: '1.19' } }
  await assert.rejects(azure.arm.put(cluster, old), refusedWith(400, 'K8sVersionNotSupported'))
  backend.room = 0
  await assert.rejects(azure.arm.put(cluster, body()), refusedWith(400, 'QuotaExceeded'))
  await assert.rejects(azure.arm.get(cluster), refusedWith(404, 'ResourceNotFound'))
})

test('deleting the group deletes the cluster, its node group and its processes', async (t) => {
  const { azure, backend, cluster, nodeGroup, settled } = await clustersOf(t)
  await azure.arm.put(cluster, withAddon)
  await settled()
  await azure.arm.delete(`/subscriptions/${azure.administrator.subscriptionId}/resourceGroups/${testGroup}`)
  assert.equal(backend.clusters.size, 0)
  await assert.rejects(azure.arm.get(nodeGroup), refusedWith(404, 'ResourceGroupNotFound'))
})

test('a cluster whose creation did not finish before the process ended is Failed after the next start', async (t) => {
  const stateDir = temporaryDirectory(t)
  const backend = createClusterBackend()
  const { promise, reject } = Promise.withResolvers<void>()
  backend.gate = () => promise
  const first = await startLocalAzure(t, { stateDir, clusterBackend: backend })
  await first.arm.put(pathsOf(first).cluster, body())
  reject(new Error('the process ends'))
  await first.stop()
  const second = await startLocalAzure(t, { stateDir })
  assert.equal((await second.arm.get(pathsOf(second).cluster)).properties.provisioningState, 'Failed')
})

test('IMDS answers the nodes of each cluster for the identities of their scale set, on a port that stays the same', async (t) => {
  const stateDir = temporaryDirectory(t)
  const backend = createClusterBackend()
  backend.room = 2
  const azure = await startLocalAzure(t, { stateDir, clusterBackend: backend })
  const { subscriptionId } = azure.administrator
  const groups = `/subscriptions/${subscriptionId}/resourceGroups`
  const make = async (name: string) => {
    const id = `${groups}/${testGroup}/providers/Microsoft.ContainerService/managedClusters/${name}`
    await azure.arm.put(id, withAddon)
    const found = await eventually(async () => {
      const cluster = await azure.arm.get(id)
      assert.equal(cluster.properties.provisioningState, 'Succeeded')
      return cluster
    })
    const { clientId } = found.properties.addonProfiles[addon].identity as { clientId: string }
    return { id, clientId, imds: backend.clusters.get(id)?.imds ?? '' }
  }
  const shop = await make('shop')
  const store = await make('store')
  assert.deepEqual(
    await Promise.all([shop.imds, store.imds, azure.imds].map((imds) => statusOf(imds, shop.clientId))),
    [200, 400, 400],
  )
  assert.deepEqual(
    await Promise.all([shop.imds, store.imds, azure.imds].map((imds) => statusOf(imds, store.clientId))),
    [400, 200, 400],
  )

  const mine = await azure.createIdentity('mine')
  const scaleSets = `${groups}/MC_${testGroup}_store_westeurope/providers/Microsoft.Compute/virtualMachineScaleSets`
  const [scaleSet] = (await azure.arm.get(scaleSets)).value
  const assign = (value: object | null) =>
    azure.arm('PATCH', scaleSet.id, {
      identity: { type: 'UserAssigned', userAssignedIdentities: { [mine.id]: value } },
    })
  assert.equal(await statusOf(store.imds, mine.clientId), 400)
  await assign({})
  assert.equal(await statusOf(store.imds, mine.clientId), 200)
  await assign(null)
  assert.equal(await statusOf(store.imds, mine.clientId), 400)

  await azure.arm.delete(shop.id)
  await eventually(() => assert.rejects(fetch(shop.imds)))
  await azure.stop()
  await startLocalAzure(t, { stateDir, clusterBackend: backend })
  assert.equal(await statusOf(store.imds, store.clientId), 200)
})

/** What IMDS answers to a request for the token of an identity. */
async function statusOf(imds: string, clientId: string): Promise<number> {
  const query = `api-version=2018-02-01&resource=https://vault.azure.net&client_id=${clientId}`
  const { status } = await fetch(`${imds}/metadata/identity/oauth2/token?${query}`, { headers: { metadata: 'true' } })
  return status
}
