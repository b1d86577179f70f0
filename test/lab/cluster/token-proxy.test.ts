import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createTokenProxy } from '#azure/identity'
import { createClusterBackend } from '../../support/cluster-backend.ts'
import { eventually } from '../../support/eventually.ts'
import { startLocalAzure, testGroup } from '../../support/local-azure.ts'
import { startLocalCluster, type TestCluster } from '../../support/local-cluster.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const audience = 'api://AKSIdentityBinding'

/** A cluster with a token proxy, and the local Azure that knows it as a managed cluster with the identity `orders`. */
async function startBound(t: TestContext) {
  const stateDir = temporaryDirectory(t, 'azure-')
  const backend = createClusterBackend()
  const azure = await startLocalAzure(t, { stateDir, clusterBackend: backend })
  const cluster = await startLocalCluster(t, { node: false, azureControl: join(stateDir, 'control.sock') })
  backend.issuerUrl = cluster.issuer
  const id = `/subscriptions/${azure.administrator.subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.ContainerService/managedClusters/one`
  await azure.arm.put(id, {
    location: 'westeurope',
    identity: { type: 'SystemAssigned' },
    properties: { agentPoolProfiles: [{ name: 'nodepool1', count: 1, mode: 'System' }] },
  })
  await eventually(async () => assert.equal((await azure.arm.get(id)).properties.provisioningState, 'Succeeded'))
  const identity = await azure.createIdentity('orders')
  await cluster.request('POST', '/api/v1/namespaces/default/serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'app' },
  })
  const { hostname, port } = new URL(cluster.server)
  const proxy = createTokenProxy({
    apiServer: { host: hostname, port: Number(port) },
    caFile: join(cluster.stateDir, 'pki/ca.crt'),
  })
  t.after(() => proxy.stop())
  const exchange = async (assertion: string, path = `/${azure.administrator.tenantId}/oauth2/v2.0/token`) => {
    const form = {
      grant_type: 'client_credentials',
      client_id: identity.clientId,
      scope: 'https://vault.azure.net/.default',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }
    const { status, body } = await proxy.send({
      method: 'POST',
      url: new URL(path, 'https://login.microsoftonline.com'),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(form).toString(),
    })
    return { status, answer: JSON.parse(body.toString('utf8')) as Record<string, unknown> }
  }
  return { azure, cluster, identity, id, exchange }
}

async function tokenOf(cluster: TestCluster, audiences: readonly string[]): Promise<string> {
  const path = '/api/v1/namespaces/default/serviceaccounts/app/token'
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences } }
  return (await cluster.request('POST', path, request)).body.status.token
}

/** Lets the account `app` use the identity with this client id. */
async function permit(cluster: TestCluster, clientId: string): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  await cluster.request('POST', `${rbac}/clusterroles`, {
    apiVersion,
    kind: 'ClusterRole',
    metadata: { name: 'orders' },
    rules: [{ apiGroups: ['cid.wi.aks.azure.com'], resources: [clientId], verbs: ['use-managed-identity'] }],
  })
  await cluster.request('POST', `${rbac}/clusterrolebindings`, {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'orders' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'orders' },
    subjects: [{ kind: 'ServiceAccount', namespace: 'default', name: 'app' }],
  })
}

test('the token proxy gives a token for a service account that RBAC permits, where the cluster has the identity binding', async (t) => {
  const { azure, cluster, identity, id, exchange } = await startBound(t)
  const token = await tokenOf(cluster, [audience])
  const stranger = await exchange(token)
  assert.equal(stranger.status, 403)
  assert.match(
    String(stranger.answer.error_description),
    /serviceaccount:default:app has no right to use-managed-identity/,
  )
  await permit(cluster, identity.clientId)
  const unbound = await exchange(token)
  assert.equal(unbound.status, 403)
  assert.match(String(unbound.answer.error_description), /The cluster one has no identity binding for/)
  await azure.arm.put(`${id}/identityBindings/orders`, { properties: { managedIdentity: { resourceId: identity.id } } })
  const { status, answer } = await exchange(token)
  assert.equal(status, 200, JSON.stringify(answer))
  const claims = JSON.parse(Buffer.from(String(answer.access_token).split('.')[1] ?? '', 'base64url').toString('utf8'))
  assert.deepEqual([claims.appid, claims.oid], [identity.clientId, identity.principalId])
  // Without the credential that the bindings share, Entra refuses.
  await azure.arm.delete(`${identity.id}/federatedIdentityCredentials/aks-identity-binding`)
  const orphaned = await exchange(token)
  assert.deepEqual([orphaned.status, orphaned.answer.error_codes], [401, [700213]])
})

test('the token proxy refuses tokens for other audiences and other paths, and the API server answers under its own name', async (t) => {
  const { cluster, identity, exchange } = await startBound(t)
  await permit(cluster, identity.clientId)
  const wrong = await exchange(await tokenOf(cluster, ['api://AzureADTokenExchange']))
  assert.deepEqual([wrong.status, wrong.answer.error], [401, 'invalid_client'])
  assert.equal((await exchange('no-token')).status, 401)
  assert.equal((await exchange(await tokenOf(cluster, [audience]), '/api/v1/namespaces')).status, 404)
  assert.equal((await cluster.request('POST', '/t/oauth2/v2.0/token')).status, 405)
})
