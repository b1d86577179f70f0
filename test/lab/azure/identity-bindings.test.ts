import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createApplication } from '../../support/application.ts'
import { azMissing, findAz, group, startAz, walk } from '../../support/az.ts'
import { createClusterBackend } from '../../support/cluster-backend.ts'
import { eventually } from '../../support/eventually.ts'
import { startLocalAzure, type TestIdentity, testGroup } from '../../support/local-azure.ts'

async function withClusters(t: TestContext) {
  const clusterBackend = createClusterBackend()
  clusterBackend.room = 2
  const azure = await startLocalAzure(t, { clusterBackend })
  const createCluster = async (name: string): Promise<string> => {
    const id = `/subscriptions/${azure.administrator.subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.ContainerService/managedClusters/${name}`
    await azure.arm.put(id, {
      location: 'westeurope',
      identity: { type: 'SystemAssigned' },
      properties: { agentPoolProfiles: [{ name: 'nodepool1', count: 1, mode: 'System' }] },
    })
    await eventually(async () => assert.equal((await azure.arm.get(id)).properties.provisioningState, 'Succeeded'))
    return id
  }
  const credentialsOf = async ({ id }: TestIdentity): Promise<string[]> => {
    const { value } = await azure.arm.get(`${id}/federatedIdentityCredentials`)
    return value.map(
      ({ name, properties }: { name: string; properties: { issuer: string } }) => `${name} ${properties.issuer}`,
    )
  }
  return { azure, createCluster, credentialsOf }
}

const bindingOf = (identity: TestIdentity) => ({ properties: { managedIdentity: { resourceId: identity.id } } })

test('bindings of one identity in two clusters share one federated credential, which goes with the last of them', async (t) => {
  const { azure, createCluster, credentialsOf } = await withClusters(t)
  const identity = await azure.createIdentity('orders')
  const [first, second] = [await createCluster('one'), await createCluster('two')]
  const binding = await azure.arm.put(`${first}/identityBindings/orders`, bindingOf(identity))
  const { tenantId } = azure.administrator
  const issuer = `https://ib.oic.prod-aks.azure.com/${tenantId}/${identity.clientId}`
  assert.deepEqual(binding.properties, {
    managedIdentity: {
      resourceId: identity.id,
      objectId: identity.principalId,
      clientId: identity.clientId,
      tenantId,
    },
    oidcIssuer: { oidcIssuerUrl: issuer },
    provisioningState: 'Succeeded',
  })
  await azure.arm.put(`${second}/identityBindings/orders`, bindingOf(identity))
  assert.deepEqual(await credentialsOf(identity), [`aks-identity-binding ${issuer}`])
  await azure.arm.delete(`${first}/identityBindings/orders`)
  assert.equal((await credentialsOf(identity)).length, 1)
  assert.deepEqual((await azure.arm.get(`${first}/identityBindings`)).value, [])
  await azure.arm.delete(second)
  await eventually(async () => assert.deepEqual(await credentialsOf(identity), []))
})

test('a binding needs an identity that exists, room for its credential, and the right to create it', async (t) => {
  const { azure, createCluster } = await withClusters(t)
  const identity = await azure.createIdentity('orders')
  const other = await azure.createIdentity('bills')
  const cluster = await createCluster('one')
  const path = `${cluster}/identityBindings/orders`
  const missing = { ...identity, id: `${identity.id}-missing` }
  await assert.rejects(azure.arm.put(path, bindingOf(missing)), /400 InvalidParameter/)
  for (let n = 0; n < 20; n++) {
    await azure.federate(identity, { issuer: 'https://issuer.example', subject: `system:serviceaccount:shop:s${n}` })
  }
  await assert.rejects(azure.arm.put(path, bindingOf(identity)), /Too many Federated Identity Credentials/)
  await azure.arm.put(path, bindingOf(other))
  await assert.rejects(azure.arm.put(path, bindingOf(identity)), /400 PropertyChangeNotAllowed/)
  await assert.rejects(azure.arm.get(`${cluster}/identityBindings/none`), /404 NotFound/)

  const { principalId, token } = await createApplication(azure)
  await azure.assignRole('Contributor', principalId, cluster)
  const answer = await azure.send({
    method: 'PUT',
    url: new URL(`${cluster}/identityBindings/mine?api-version=2025-10-02-preview`, 'https://management.azure.com'),
    headers: {
      authorization: `Bearer ${await token('https://management.azure.com')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(bindingOf(other)),
  })
  assert.equal(answer.status, 403)
  assert.match(answer.body.toString('utf8'), /LinkedAuthorizationFailed.*federatedIdentityCredentials\/write/)
})

const program = findAz()
test('az aks identity-binding', { skip: program === undefined && azMissing }, async (t) => {
  const az = await startAz(t, program ?? '', { clusterBackend: createClusterBackend() })
  const binding = '-g shop --cluster-name demo -n orders'
  await walk(t, az, [
    group,
    {
      az: 'aks create -g shop -n demo --node-count 1 --generate-ssh-keys --enable-oidc-issuer --enable-workload-identity',
    },
    { az: 'identity create -n orders -g shop', query: 'id', keep: 'identity' },
    {
      az: `aks identity-binding create ${binding} --managed-identity-resource-id {identity}`,
      query: 'properties.provisioningState',
      prints: 'Succeeded',
    },
    {
      az: `aks identity-binding show ${binding}`,
      query: "starts_with(properties.oidcIssuer.oidcIssuerUrl, 'https://ib.oic.prod-aks.azure.com/')",
      prints: true,
    },
    { az: 'aks identity-binding list -g shop --cluster-name demo', query: '[].name', prints: ['orders'] },
    {
      az: 'identity federated-credential list --identity-name orders -g shop',
      query: '[].name',
      prints: ['aks-identity-binding'],
    },
    { az: `aks identity-binding delete ${binding} --yes` },
    { az: 'aks identity-binding list -g shop --cluster-name demo', prints: [] },
  ])
})
