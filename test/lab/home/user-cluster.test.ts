import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { writeCaBundle } from '../../../src/lab/home/azure/ca-bundle.ts'
import { identifyProcess } from '../../../src/lab/home/processes/process-identity.ts'
import { findAz } from '../../support/az.ts'
import { type LocalAzureProcess, spawnLocalAzure } from '../../support/local-azure-process.ts'
import { startLocalCluster, type TestCluster } from '../../support/local-cluster.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { azWith, clusterSkip, kubectlWith } from './lab-tools.ts'
import { writeUserClusterState } from './user-cluster-home.ts'

const skip = clusterSkip() ?? false
const named = (name: string) => `-g shop -n ${name}`

/** A local cluster in the part of a user's own: whatever has an API server and a node. */
async function usersCluster(t: TestContext): Promise<TestCluster> {
  const cluster = await startLocalCluster(t, { node: false })
  const node = { metadata: { name: 'theirs' }, status: { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }] } }
  const { status } = await cluster.request('POST', '/api/v1/nodes', node)
  assert.equal(status, 201)
  await cluster.request('PUT', '/api/v1/nodes/theirs/status', { apiVersion: 'v1', kind: 'Node', ...node })
  return cluster
}

/** A home as `keymount up --kubeconfig` leaves it, with the local Azure that runs in it. */
async function labOf(t: TestContext, kubeconfig: string): Promise<{ home: string; azure: LocalAzureProcess }> {
  const home = temporaryDirectory(t)
  await writeUserClusterState(home, kubeconfig)
  mkdirSync(join(home, 'run'))
  const azure = await spawnLocalAzure(t, join(home, 'azure'), ['--clusters', home])
  const { proxyUrl: proxy, imds, caFile: ca, credentialsFile: credentials, controlSocket: control } = azure
  const ready = { ready: true, proxy, imds, ca, credentials, control }
  writeFileSync(join(home, 'run/local-azure.ready.json'), JSON.stringify(ready))
  writeFileSync(join(home, 'run/local-azure.process.json'), JSON.stringify(identifyProcess(azure.process.pid ?? 0)))
  return { home, azure }
}

test("a user's own cluster backs the first managed one, and is never stopped or deleted", {
  skip,
}, async (t) => {
  const cluster = await usersCluster(t)
  const { home, azure } = await labOf(t, cluster.kubeconfig)
  const bundle = join(home, 'bundle.crt')
  writeCaBundle(bundle, readFileSync(azure.caFile, 'utf8'))
  const az = azWith({
    PATH: process.env.PATH ?? '',
    HOME: home,
    HTTPS_PROXY: azure.proxyUrl,
    REQUESTS_CA_BUNDLE: bundle,
    AZURE_CONFIG_DIR: join(home, 'az'),
  })
  assert.ok(findAz() !== undefined)
  const { clientId, clientSecret, tenantId } = JSON.parse(readFileSync(azure.credentialsFile, 'utf8'))
  await az(`login --service-principal -u ${clientId} -p ${clientSecret} --tenant ${tenantId}`)
  await az('group create -n shop -l westeurope')

  const query = '[provisioningState, oidcIssuerProfile.issuerUrl, currentKubernetesVersion]'
  const created = await az(`aks create ${named('first')} --enable-oidc-issuer --generate-ssh-keys --query`, query)
  assert.deepEqual(created, ['Succeeded', cluster.issuer, '1.34.0'])
  const kubeconfig = join(home, 'kubeconfig')
  await az(`aks get-credentials ${named('first')} -f ${kubeconfig}`)
  const kubectl = kubectlWith(kubeconfig, home)
  assert.equal(await kubectl('get', 'nodes', '-o', 'name'), 'node/theirs')

  await az.fails(`aks create ${named('second')} --generate-ssh-keys`, /QuotaExceeded.*which backs .*first/s)
  await az.fails(`aks stop ${named('first')}`, /is yours: the lab does not stop it/)
  await az(`aks delete ${named('first')} --yes`)
  assert.equal(await kubectl('get', 'nodes', '-o', 'name'), 'node/theirs')
  await az(`aks create ${named('second')} --generate-ssh-keys`)
  assert.equal(await az(`aks show ${named('second')} --query`, 'provisioningState'), 'Succeeded')
})
