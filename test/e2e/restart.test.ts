import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import {
  createKubeClient,
  isForbidden,
  type KubeClient,
  loadKubeconfig,
  resources,
  type UntypedObject,
} from '#kubernetes/client'
import { sleep } from '#lib'
import { helm } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { createHelmRelease, type HelmRelease } from '../support/helm-release.ts'
import { findKubectl, kubectlFor, kubectlMissing } from '../support/kubectl.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { findClusterProcesses } from './cluster-processes.ts'
import { noHelm, noNodeHost, realClusterOnly } from './real-cluster-only.ts'
import {
  mountsOf,
  replicaSets,
  restartedFor,
  restartedWorkload,
  restartKeyOf,
  runningPods,
  whilePaused,
} from './restarts.ts'

/** Restarts on rotation, installed by the chart with nothing but `restart.enabled`, on a real cluster with its policies. */
const options = realClusterOnly(
  'admission policies, kubectl and helm need a real cluster',
  noHelm,
  noNodeHost,
  findKubectl() === undefined ? kubectlMissing : undefined,
)
const replicas = 10
const mostKills = 3

test('a workload is rolled out once after its secret has changed, while its operator is killed', options, async (t) => {
  const release = await createHelmRelease(t, {
    objects: ['db'],
    values: { restart: { enabled: true, minInterval: '0s' }, rotationPollInterval: '5s' },
  })
  const { kube, namespace } = release
  await release.setSecret('first')
  await release.install()
  await kube.create(resources.deployments, workloadOf(release, 'Deployment', 'web', { replicas }))
  await kube.create(
    resources.statefulSets,
    workloadOf(release, 'StatefulSet', 'db', { serviceName: 'db', updateStrategy: { type: 'OnDelete' } }),
  )
  const tools = deploymentTools(t, release)
  const manifestFor = (name: string) => workloadOf(release, 'Deployment', name, { replicas: 1 })
  await until(`${replicas} pods`, async () => (await runningPods(release, 'web')).length === replicas)
  await until('the pod of the StatefulSet', async () => (await runningPods(release, 'db')).length === 1)
  await sleep(8000)
  assert.equal(await restartedFor(release, 'web'), undefined, 'nothing has changed yet')

  await t.test('a value that comes back while the workload is paused restarts nothing', async () => {
    const versions = new Set((await mountsOf(release, 'web')).map(({ version }) => version))
    const [first = ''] = versions
    assert.equal(versions.size, 1)
    await whilePaused(release, 'web', async () => {
      await release.setSecret('other')
      await until('all pods to have another value than they started with', async () => {
        const mounts = await mountsOf(release, 'web')
        return mounts.length === replicas && mounts.every((mount) => mount.isStale && mount.version !== first)
      })
      assert.equal(await restartedFor(release, 'web'), undefined)
      await pinVersion(release, first)
      await until('all pods to have the first value again', async () => {
        const mounts = await mountsOf(release, 'web')
        return mounts.length === replicas && mounts.every((mount) => !mount.isStale && mount.version === first)
      })
    })
    await sleep(10_000)
    assert.equal(await restartedFor(release, 'web'), undefined)
    assert.equal((await replicaSets(release, 'web')).length, 1)
  })

  for (const { name, apply } of Object.values(tools)) {
    await apply(manifestFor(name))
    await until(`the pod of ${name}`, async () => (await runningPods(release, name)).length === 1)
  }
  const killing = killOperator(t, release)
  await pinVersion(release, '')
  await until('the rollout', () => restartedFor(release, 'web'))
  const other = new Set((await mountsOf(release, 'web')).map(({ version }) => version))
  await release.setSecret('second')
  await until('the last rollout', async () => {
    const mounts = await mountsOf(release, 'web')
    return mounts.length === replicas && mounts.every(({ isStale, version }) => !isStale && !other.has(version))
  })
  await sleep(15_000)
  killing.stop()
  for (const { name } of Object.values(tools)) await until(`a restart of ${name}`, () => restartedFor(release, name))
  const sets = await replicaSets(release, 'web')
  // The first template, one for "other", one for "second" unless it came before the first restart was decided.
  assert.ok(sets.length === 2 || sets.length === 3, `${sets.length} ReplicaSets`)
  const restarts = sets.flatMap((set) => restartKeyOf(set) ?? [])
  assert.equal(new Set(restarts).size, restarts.length)
  assert.ok(killing.count() >= 2, 'the operator was killed meanwhile')

  await t.test('a StatefulSet with OnDelete gets an event', async () => {
    await until('the event', async () => {
      const { items } = await kube.list(resources.events, { namespace })
      return items.some(({ reason, involvedObject }) => reason === 'RestartNeeded' && involvedObject.name === 'db')
    })
    assert.equal(await restartedFor(release, 'db', resources.statefulSets), undefined)
  })

  for (const [what, tool] of Object.entries(tools))
    await t.test(`${what} of a changed manifest leaves the restart as it is`, async () => {
      const key = await restartedFor(release, tool.name)
      assert.match(key ?? '', /^[0-9a-f]{16}$/)
      const count = (await replicaSets(release, tool.name)).length
      await tool.apply({
        ...manifestFor(tool.name),
        metadata: { ...manifestFor(tool.name).metadata, labels: { changed: 'after-the-restart' } },
      })
      const { metadata } = await kube.get(resources.deployments, { namespace, name: tool.name })
      assert.equal(metadata.labels?.changed, 'after-the-restart')
      assert.equal(await restartedFor(release, tool.name), key)
      await sleep(3000)
      assert.equal((await replicaSets(release, tool.name)).length, count)
    })

  await t.test('the operator’s account is refused everything else', () => onlyItsWork(t, release))
})

async function onlyItsWork(t: TestContext, { kube, namespace }: HelmRelease): Promise<void> {
  const { token } = await kube.createToken(
    { namespace, name: 'keymount-operator' },
    { audiences: [], expirationSeconds: 600 },
  )
  const { cert: _, key: __, ...config } = loadKubeconfig(process.env.KUBECONFIG ?? '')
  const operator: KubeClient = createKubeClient({ ...config, token: async () => token })
  t.after(() => operator.close())
  const web = { namespace, name: 'web' }
  const patch = (body: object) => operator.patch(resources.deployments, web, body, { type: 'strategic' })
  const template = (body: object) => patch({ spec: { template: body } })
  const refused: Record<string, () => Promise<unknown>> = {
    'read a Secret': () => operator.list(resources.secrets, { namespace }),
    'read a ConfigMap': () => operator.list(resources.configMaps, { namespace }),
    'get a token': () => operator.createToken({ namespace, name: 'app' }, { audiences: ['a'], expirationSeconds: 600 }),
    'create a pod': () =>
      operator.create(resources.pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name: 'x' },
        spec: { containers: [{ name: 'a', image: 'a' }] },
      }),
    'delete a pod': () => operator.delete(resources.pods, { namespace, name: 'x' }),
    'delete a workload': () => operator.delete(resources.deployments, web),
    'create a workload': () =>
      operator.create(resources.deployments, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { namespace, name: 'x' },
      }),
    'change an image': () => template({ spec: { containers: [{ name: 'app', image: 'other' }] } }),
    'change the account': () => template({ spec: { serviceAccountName: 'default' } }),
    'add a container': () => template({ spec: { containers: [{ name: 'more', image: 'other' }] } }),
    'change another annotation of the template': () => template({ metadata: { annotations: { x: 'y' } } }),
    'remove an annotation of the template': () => template({ metadata: { annotations: { keep: null } } }),
    'change a label of the template': () => template({ metadata: { labels: { x: 'y' } } }),
    'change replicas': () => patch({ spec: { replicas: 0 } }),
    'change an annotation': () => patch({ metadata: { annotations: { x: 'y' } } }),
    'change a label': () => patch({ metadata: { labels: { x: 'y' } } }),
    'add a finalizer': () => patch({ metadata: { finalizers: ['example.com/x'] } }),
    'change a status': () =>
      operator.patch(resources.deployments, web, { status: { replicas: 0 } }, { subresource: 'status' }),
    'read another namespace’s Secrets': () => operator.list(resources.secrets, {}),
  }
  for (const [what, attempt] of Object.entries(refused)) {
    await assert.rejects(attempt, (error) => isForbidden(error) || /denied request/.test(String(error)), what)
  }
  await template({ metadata: { annotations: { 'keymount.dev/restarted-for': 'by-the-test' } } })
}

interface DeploymentTool {
  /** Of the Deployment. */
  name: string
  /** Creates it, and later brings it to another manifest. */
  apply(manifest: UntypedObject): Promise<void>
}

/** How users deploy: none of these knows of the annotation that the operator writes. */
function deploymentTools(t: TestContext, { namespace }: HelmRelease): Record<string, DeploymentTool> {
  const directory = temporaryDirectory(t, 'keymount-tools-')
  const kubectl = kubectlFor(findKubectl() ?? 'kubectl', {
    kubeconfig: process.env.KUBECONFIG ?? '',
    cacheDir: directory,
  })
  const applied = (name: string, ...flags: string[]): DeploymentTool => ({
    name,
    async apply(manifest) {
      const { status, stderr } = await kubectl(['apply', '-f', '-', ...flags], manifest)
      assert.equal(status, 0, stderr)
    },
  })
  const chart = join(directory, 'app')
  mkdirSync(join(chart, 'templates'), { recursive: true })
  writeFileSync(join(chart, 'Chart.yaml'), stringify({ apiVersion: 'v2', name: 'app', version: '1.0.0' }))
  return {
    'kubectl apply': applied('by-apply'),
    'kubectl apply --server-side': applied('by-server-side-apply', '--server-side'),
    'helm upgrade': {
      name: 'by-helm',
      async apply(manifest) {
        writeFileSync(join(chart, 'templates', 'deployment.yaml'), stringify(manifest))
        await promisify(execFile)(helm ?? 'helm', ['upgrade', '--install', 'app', chart, '-n', namespace])
      },
    },
  }
}

function workloadOf({ driver, namespace }: HelmRelease, kind: string, name: string, spec: object): UntypedObject {
  return restartedWorkload({ driver, namespace, className: 'app', serviceAccount: 'app' }, kind, name, spec)
}

/** Makes the class ask for one version of its object; an empty one is the latest. */
async function pinVersion({ kube, namespace }: HelmRelease, objectVersion: string): Promise<void> {
  const object = stringify({ objectName: 'db', objectType: 'secret', objectVersion })
  const parameters = { objects: stringify({ array: [object] }) }
  await kube.patch(resources.secretProviderClasses, { namespace, name: 'app' }, { spec: { parameters } })
}

/** SIGKILL to the operator's process every 5 s, as far as kubelet has started it again, at most {@link mostKills} times. */
function killOperator(t: TestContext, { kube, namespace }: HelmRelease): { stop(): void; count(): number } {
  const processes = findClusterProcesses(process.env.KUBECONFIG ?? '')
  let killed = 0
  let stopped = false
  const kill = async () => {
    const { items } = await kube.list(resources.pods, { namespace, labelSelector: 'app=keymount-operator' })
    const pod = items.find(({ status }) => status?.containerStatuses?.[0]?.state?.running !== undefined)
    if (pod === undefined || processes === undefined) return
    await processes.kill(pod)
    killed++
  }
  const loop = (async () => {
    while (!stopped && killed < mostKills) {
      await sleep(5000)
      if (!stopped) await kill().catch(() => undefined)
    }
  })()
  t.after(async () => {
    stopped = true
    await loop
  })
  return {
    stop() {
      stopped = true
    },
    count: () => killed,
  }
}
