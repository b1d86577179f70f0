import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { resources } from '#kubernetes/client'
import { chartDirectory, needsHelm } from '../../packaging/charts/helm.ts'
import { helmFor } from '../../support/helm.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'

const names = async (answer: Promise<{ body: { items: { metadata: { name: string } }[] } }>) =>
  (await answer).body.items.map(({ metadata }) => metadata.name)

async function start(t: TestContext) {
  const cluster = await startLocalCluster(t, { node: false })
  return { cluster, run: helmFor({ kubeconfig: cluster.kubeconfig, directory: `${cluster.stateDir}/helm` }) }
}

test('helm installs, changes, rolls back and uninstalls our chart', needsHelm, async (t) => {
  const { cluster, run } = await start(t)
  const daemonSets = () => names(cluster.request('GET', '/apis/apps/v1/namespaces/kube-system/daemonsets'))
  await run('install', 'km', chartDirectory)
  assert.deepEqual(await daemonSets(), ['csi-secrets-store', 'csi-secrets-store-provider-azure'])
  await run('upgrade', 'km', chartDirectory, '--set', 'syncSecret.enabled=true')
  await run('rollback', 'km', '1')
  const history = JSON.parse(await run('history', 'km', '-o', 'json'))
  assert.deepEqual(
    history.map(({ status }: { status: string }) => status),
    ['superseded', 'superseded', 'deployed'],
  )
  await run('uninstall', 'km')
  assert.deepEqual(await daemonSets(), [])
  const secrets = cluster.request('GET', '/api/v1/namespaces/kube-system/secrets')
  assert.deepEqual(await names(secrets), [], 'the records of the release are gone')
})

for (const how of ['client', 'server']) {
  test(`helm install --dry-run=${how} renders the chart and creates nothing`, needsHelm, async (t) => {
    const { cluster, run } = await start(t)
    const objects = async () => {
      const paths = [
        '/apis/apps/v1/daemonsets',
        '/api/v1/serviceaccounts',
        '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
        '/api/v1/secrets',
      ]
      return Promise.all(paths.map((path) => names(cluster.request('GET', path))))
    }
    const before = await objects()
    const output = await run('install', 'km', chartDirectory, `--dry-run=${how}`)
    assert.match(output, /^kind: DaemonSet$/m)
    assert.match(output, /^STATUS: pending-install$/m)
    assert.deepEqual(await objects(), before)
  })
}

test('helm upgrade keeps what another client changed in an object', needsHelm, async (t) => {
  const { cluster, run } = await start(t)
  await run('install', 'km', chartDirectory)
  const path = `/apis/${resources.daemonSets.group}/v1/namespaces/kube-system/daemonsets/csi-secrets-store`
  const label = { metadata: { labels: { 'example.com/team': 'a' } } }
  const headers = { 'content-type': 'application/merge-patch+json' }
  await cluster.request('PATCH', path, label, { headers })
  await run('upgrade', 'km', chartDirectory, '--set', 'rotationPollInterval=3m')
  const { body } = await cluster.request('GET', path)
  assert.equal(body.metadata.labels['example.com/team'], 'a')
})
