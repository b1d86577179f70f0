import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLocalCluster, type TestCluster } from '../../support/local-cluster.ts'
import { runCli } from '../../support/run-cli.ts'

const driver = 'secrets-store.csi.k8s.io'

interface PodOptions {
  csi?: string
  nodeName?: string | undefined
  phase?: string
}

/** A pod with a volume of a CSI driver, as on a node that runs it. */
async function createPod(cluster: TestCluster, path: string, options: PodOptions = {}): Promise<void> {
  const { csi = driver, nodeName = 'node-1', phase = 'Running' } = options
  const [namespace, name] = path.split('/')
  const spec = {
    nodeName: nodeName === '' ? undefined : nodeName,
    containers: [{ name: 'app', image: 'app' }],
    volumes: [{ name: 'secrets', csi: { driver: csi, readOnly: true } }],
  }
  const pods = `/api/v1/namespaces/${namespace}/pods`
  const created = await cluster.request('POST', pods, { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec })
  assert.equal(created.status, 201, JSON.stringify(created.body))
  const headers = { 'content-type': 'application/merge-patch+json' }
  const { status, body } = await cluster.request('PATCH', `${pods}/${name}/status`, { status: { phase } }, { headers })
  assert.equal(status, 200, JSON.stringify(body))
}

test('uninstall-check fails with the names of the pods whose volumes kubelet could not unmount, and of no other pod', async (t) => {
  const cluster = await startLocalCluster(t, { node: false })
  const check = (...flags: string[]) => runCli(['uninstall-check', `--kubeconfig=${cluster.kubeconfig}`, ...flags])
  for (const name of ['team-b', 'team-a']) {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
    assert.equal((await cluster.request('POST', '/api/v1/namespaces', namespace)).status, 201)
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }
    await cluster.request('POST', `/api/v1/namespaces/${name}/serviceaccounts`, account)
  }

  await createPod(cluster, 'team-a/other', { csi: 'other.csi.example.com' })
  await createPod(cluster, 'team-a/done', { phase: 'Succeeded' })
  await createPod(cluster, 'team-a/evicted', { phase: 'Failed' })
  await createPod(cluster, 'team-a/waits', { nodeName: '', phase: 'Pending' })
  assert.deepEqual(await check(), {
    code: 0,
    stdout: `No pod has a volume of ${driver}: it can be uninstalled.\n`,
    stderr: '',
  })

  await createPod(cluster, 'team-b/web')
  const one = await check()
  assert.equal(one.code, 1)
  assert.match(one.stdout, /^1 pod has volumes of .*:\n {2}team-b\/web\nDelete it first\. .*--no-hooks\n$/)

  await createPod(cluster, 'team-a/api', { phase: 'Pending' })
  const two = await check()
  assert.equal(two.code, 1)
  assert.match(two.stdout, /^2 pods have volumes of .*:\n {2}team-a\/api\n {2}team-b\/web\nDelete them first\./)
  assert.match((await check('--drivername=other.csi.example.com')).stdout, /team-a\/other/)
})

test('uninstall-check that cannot list pods fails with the reason', async () => {
  const { code, stderr } = await runCli(['uninstall-check', '--kubeconfig=/does/not/exist'])
  assert.equal(code, 1)
  assert.match(stderr, /\/does\/not\/exist/)
})
