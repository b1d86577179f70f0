/**
 * A secret of 500 workloads changes at once, and the operator is killed every five seconds: how long until all are restarted,
 * that each is restarted exactly once, and that the budget is never exceeded. The API server is the lab's, with its
 * controllers; the status objects are written as the driver writes them. The last line is JSON.
 *
 * Arguments: workloads (default 500), restarts per minute (default 600), seconds between kills (default 5; 0: none).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import {
  createKubeClient,
  follow,
  loadKubeconfig,
  type Pod,
  resources,
  type UntypedObject,
  versionHash,
} from '#kubernetes/client'
import { sleep, timestamp } from '#lib'
import { forEachLimited, retry } from '#lib/async'
import { stringOf, valueAt } from '#lib/formats'
import { buildBundles } from '../src/packaging/image/build-bundles.ts'
import { createDefinitions } from '../test/support/custom-resources.ts'
import { until } from '../test/support/eventually.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { createCleanup } from './support/cleanup.ts'

const [workloads = 500, perMinute = 600, killSeconds = 5] = process.argv.slice(2).map(Number)
const burst = 20
const namespaces = Array.from({ length: 10 }, (_, index) => `team-${index}`)
const className = 'app'
/** The lab's API server is in this process. */
const parallel = 4

const cleanup = createCleanup()
try {
  const cluster = await startLocalCluster(cleanup.t, { nodeName: 'another-node' })
  const kube = createKubeClient(loadKubeconfig(cluster.kubeconfig))
  cleanup.t.after(() => kube.close())
  await createDefinitions(kube)
  const names = Array.from({ length: workloads }, (_, index) => ({
    namespace: namespaces[index % namespaces.length] ?? '',
    name: `web-${index}`,
  }))
  for (const name of namespaces)
    await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  await until('service accounts', async () => {
    const { items } = await kube.list(resources.serviceAccounts)
    return items.filter(({ metadata }) => namespaces.includes(metadata.namespace ?? '')).length === namespaces.length
  })
  await forEachLimited(names, parallel, (ref) =>
    retry(() => kube.apply(resources.deployments, deploymentOf(ref), { fieldManager: 'bench' })).then(() => {}),
  )
  const pods = await until('the pods', async () => {
    const { items } = await kube.list(resources.pods)
    return items.length === workloads ? items : undefined
  })
  await forEachLimited(pods, parallel, (pod) => retry(() => start(pod)))

  const restarts: { workload: string; at: number }[] = []
  const seen = new Map<string, string>()
  const watch = follow(
    kube,
    resources.deployments,
    {},
    {
      onList: () => {},
      onChange(_type, object) {
        const workload = `${object.metadata.namespace}/${object.metadata.name}`
        const path = ['spec', 'template', 'metadata', 'annotations', 'keymount.dev/restarted-for']
        const key = stringOf(valueAt(object, ...path))
        if (key === undefined || seen.get(workload) === key) return
        seen.set(workload, key)
        restarts.push({ workload, at: performance.now() })
      },
    },
  )
  cleanup.t.after(() => watch.stop())
  await watch.synced

  // As in the image: from source, a start takes much of the time between two kills.
  const bundles = temporaryDirectory(cleanup.t, 'keymount-bench-')
  await buildBundles({ root: join(import.meta.dirname, '..'), out: bundles, node: process.execPath })
  const operator = keepRunning(cluster.kubeconfig, join(bundles, 'start.cjs'))
  cleanup.t.after(() => operator.stop())
  await sleep(3000)
  if (restarts.length > 0) throw new Error(`${restarts.length} workloads were restarted before anything had changed`)
  const changedAt = performance.now()
  await forEachLimited(pods, parallel, (pod) => retry(() => rotate(pod)))
  const writtenAt = performance.now()
  await until('all restarts', () => seen.size === workloads, { withinMs: 600_000 }).catch((error: unknown) => {
    throw new Error(`${seen.size} of ${workloads} were restarted, operator killed ${operator.kills()} times`, {
      cause: error,
    })
  })
  const endedAt = performance.now()
  await sleep(3 * 5000)
  operator.stop()

  const worst = Math.max(...restarts.map(({ at }, index) => excess(restarts, at, index)))
  const twice = restarts.length - seen.size
  const result = {
    workloads,
    perMinute,
    burst,
    kills: operator.kills(),
    seconds: Math.round((endedAt - changedAt) / 100) / 10,
    secondsOfChange: Math.round((writtenAt - changedAt) / 100) / 10,
    leastSeconds: Math.round((workloads / perMinute) * 600) / 10,
    restartedTwice: twice,
    /** Restarts beyond burst and rate in the worst span. */
    beyondBudget: Math.max(0, Math.ceil(worst)),
  }
  console.log(
    `${workloads} workloads in ${result.seconds} s (the budget allows ${result.leastSeconds} s), operator killed ${result.kills} times, ` +
      `${twice} restarted twice, ${result.beyondBudget} beyond the budget`,
  )
  console.log(JSON.stringify(result))
  if (twice > 0 || result.beyondBudget > 0) process.exitCode = 1

  async function start(pod: Pod): Promise<void> {
    const { namespace = '', name = '', uid = '' } = pod.metadata
    const state = { running: { startedAt: timestamp(Date.now() - 60_000) } }
    const container = { name: 'app', ready: true, restartCount: 0, image: 'busybox', imageID: '', state }
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }], containerStatuses: [container] }
    await kube.patch(resources.pods, { namespace, name }, { status }, { subresource: 'status' })
    await kube.apply(
      resources.secretProviderClassPodStatuses,
      {
        apiVersion: 'secrets-store.csi.x-k8s.io/v1',
        kind: 'SecretProviderClassPodStatus',
        metadata: {
          namespace,
          name,
          annotations: {
            'keymount.dev/started-with': versionHash(className, objectsOf('1')),
            'keymount.dev/last-change': timestamp(Date.now()),
          },
          ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid }],
        },
        status: { podName: name, secretProviderClassName: className, mounted: true, objects: objectsOf('1') },
      },
      { fieldManager: 'bench' },
    )
  }

  async function rotate({ metadata }: Pod): Promise<void> {
    const { namespace = '', name = '' } = metadata
    const annotations = { 'keymount.dev/last-change': timestamp(Date.now()) }
    const patch = { metadata: { annotations }, status: { objects: objectsOf('2') } }
    await kube.patch(resources.secretProviderClassPodStatuses, { namespace, name }, patch)
  }
} finally {
  await cleanup.run()
}

function objectsOf(version: string) {
  return [{ id: 'secret/db', version }]
}

/** Restarts from this one on, in the span that has the most beyond the budget. */
function excess(restarts: readonly { at: number }[], from: number, index: number): number {
  return Math.max(
    ...restarts.slice(index).map(({ at }, more) => more + 1 - burst - 1 - ((at - from) / 60_000) * perMinute),
  )
}

function deploymentOf({ namespace, name }: { namespace: string; name: string }): UntypedObject {
  const labels = { app: name }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name, annotations: { 'keymount.dev/restart-on-rotation': 'true' } },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { nodeName: 'node-1', containers: [{ name: 'app', image: 'busybox' }] },
      },
    },
  }
}

/** The operator as a process of its own, killed and started again. */
function keepRunning(kubeconfig: string, program: string): { stop(): void; kills(): number } {
  let stopped = false
  let kills = 0
  let child: ChildProcess | undefined
  const flags = [
    '--restart',
    `--restart-max-per-minute=${perMinute}`,
    `--restart-burst=${burst}`,
    '--restart-min-interval=0s',
    '--metrics-bind-address=0',
    '--health-probe-bind-address=0',
    `--kubeconfig=${kubeconfig}`,
  ]
  const run = async () => {
    while (!stopped) {
      child = spawn(process.execPath, [program, 'operator', ...flags], { stdio: 'ignore' })
      await once(child, 'exit')
    }
  }
  void run()
  const timer =
    killSeconds === 0
      ? undefined
      : setInterval(() => {
          kills++
          child?.kill('SIGKILL')
        }, killSeconds * 1000)
  return {
    stop() {
      stopped = true
      clearInterval(timer)
      child?.kill('SIGKILL')
    },
    kills: () => kills,
  }
}
