import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import {
  createKubeClient,
  type KubeConfig,
  type KubeObject,
  loadKubeconfig,
  type Pod,
  type Resource,
  resources,
  type UntypedObject,
} from '#kubernetes/client'
import { packageCharts } from '#packaging/charts'
import { chartDirectory, helm } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { needsRealCluster } from './webhook-world.ts'

const { KUBECONFIG, KUBELET_ROOT, KEYMOUNT_IMAGE } = process.env

/**
 * `helm upgrade` from a release of upstream's charts to ours of the same name, on a real API server: it changes the objects
 * in place, so no immutable field prevents it, and what runs afterwards is the product.
 */
test('a release of upstream’s driver and provider becomes ours', needsRealCluster, async (t) => {
  const world = await createWorld(t, 'csi-secrets-store-provider-azure')
  const daemons = ['secrets-store-csi-driver', world.release]
  const before = await world.uids(resources.daemonSets, daemons)

  await world.upgrade({
    linux: world.image,
    'secrets-store-csi-driver': KUBELET_ROOT === undefined ? {} : { linux: { kubeletRootDir: KUBELET_ROOT } },
  })

  assert.deepEqual(await world.uids(resources.daemonSets, daemons), before)
  for (const name of daemons) await world.rolledOut(name)
  const node = await until('the driver to be registered', async () => {
    const { items } = await world.kube.list(csiNodes)
    return items.find(({ spec }) => (spec?.drivers ?? []).some(({ name }) => name === 'secrets-store.csi.k8s.io'))
  })
  assert.ok(node)
  assert.deepEqual((await world.kube.list(resources.daemonSets, { namespace: world.namespace })).items.length, 2)
})

test('a release of upstream’s webhook becomes ours', needsRealCluster, async (t) => {
  const world = await createWorld(t, 'workload-identity-webhook')
  const name = 'azure-wi-webhook-controller-manager'
  const before = await world.uids(resources.deployments, [name])

  await world.upgrade({ azureTenantID: 'contoso.com', image: releaseImage(world.image.image) })

  assert.deepEqual(await world.uids(resources.deployments, [name]), before)
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: world.namespace, name: 'app', labels: { 'azure.workload.identity/use': 'true' } },
    spec: { containers: [{ name: 'app', image: 'busybox' }] },
  }
  const mutated = await until('the webhook to answer', async () =>
    JSON.stringify(await world.kube.create(resources.pods, pod, { dryRun: true })),
  )
  assert.match(mutated, /AZURE_FEDERATED_TOKEN_FILE/)
})

test('a release of upstream’s pod identity becomes ours', needsRealCluster, async (t) => {
  const world = await createWorld(t, 'aad-pod-identity')
  const before = [
    ...(await world.uids(resources.deployments, ['aad-pod-identity-mic'])),
    ...(await world.uids(resources.daemonSets, ['aad-pod-identity-nmi'])),
  ]
  // No connection of this node may be redirected: only the objects are checked.
  const nowhere = { nodeSelector: { 'no-such-node': 'true' } }

  await world.upgrade({ mic: { replicas: 0, ...nowhere }, nmi: nowhere })

  assert.deepEqual(
    [
      ...(await world.uids(resources.deployments, ['aad-pod-identity-mic'])),
      ...(await world.uids(resources.daemonSets, ['aad-pod-identity-nmi'])),
    ],
    before,
  )
  assert.equal((await world.kube.list(identities, { namespace: world.namespace })).items.length, 0)
})

interface CsiNode extends UntypedObject {
  spec?: { drivers?: { name: string }[] }
}

const csiNodes: Resource<CsiNode> = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'CSINode',
  plural: 'csinodes',
  namespaced: false,
}

const identities: Resource<UntypedObject> = {
  group: 'aadpodidentity.k8s.io',
  version: 'v1',
  kind: 'AzureIdentity',
  plural: 'azureidentities',
  namespaced: true,
}

/** A release of upstream's chart in a namespace of its own; all of it goes with the test. */
async function createWorld(t: TestContext, chart: string) {
  const namespace = `e2e-over-${randomBytes(3).toString('hex')}`
  const release = chart
  const kubeConfig: KubeConfig = loadKubeconfig(KUBECONFIG ?? '', { environment: process.env })
  const kube = createKubeClient(kubeConfig)
  t.after(() => kube.close())
  const directory = temporaryDirectory(t, 'keymount-over-')
  const run = (...words: string[]) => promisify(execFile)(helm ?? 'helm', [...words, '-n', namespace])
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  t.after(async () => {
    await run('uninstall', release, '--ignore-not-found', '--wait')
    await kube.delete(resources.namespaces, { name: namespace })
  })
  const waits = chart === 'aad-pod-identity' ? [] : ['--wait', '--timeout', '2m']
  await run('install', release, resolve(import.meta.dirname, 'upstream-charts', chart), ...waits)
  const [repository, tag] = KEYMOUNT_IMAGE?.split(/:(?=[^/]*$)/) ?? []

  return {
    kube,
    namespace,
    release,
    /** Of the product, as values of the charts have it. */
    image: { image: { ...(repository === undefined ? {} : { repository }), ...(tag === undefined ? {} : { tag }) } },
    /** To ours of the same name, as `keymount charts` makes it. */
    async upgrade(values: object) {
      const charts = await packageCharts({ directory: resolve(chartDirectory, '..') })
      const found = charts.find(({ metadata }) => metadata.name === chart)
      const file = join(directory, found?.fileName ?? '')
      await writeFile(file, found?.bytes ?? '')
      await writeFile(join(directory, 'values.yaml'), stringify(values))
      await run('upgrade', release, file, '-f', join(directory, 'values.yaml'), ...waits)
    },
    uids<T extends KubeObject>(resource: Resource<T>, names: readonly string[]) {
      return Promise.all(names.map(async (name) => (await kube.get(resource, { namespace, name })).metadata.uid))
    },
    async rolledOut(name: string) {
      await until(`${name} rolled out`, async () => {
        const { status } = await kube.get(resources.daemonSets, { namespace, name })
        const { desiredNumberScheduled = 0, updatedNumberScheduled = 0, numberReady = 0 } = status ?? {}
        return (
          (updatedNumberScheduled === desiredNumberScheduled && numberReady === desiredNumberScheduled) || undefined
        )
      })
    },
  }
}

function releaseImage({ repository, tag }: { repository?: string; tag?: string }) {
  return { ...(repository === undefined ? {} : { repository }), ...(tag === undefined ? {} : { release: tag }) }
}
