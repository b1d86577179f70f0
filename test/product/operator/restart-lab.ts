import type { TestContext } from 'node:test'
import {
  type KubeEvent,
  type Pod,
  type Resource,
  resources,
  type SecretProviderClass,
  type UntypedObject,
} from '#kubernetes/client'
import { type Log, type Running, silentLog, sleep, timestamp } from '#lib'
import { stringOf, valueAt } from '#lib/formats'
import { createOperatorMetrics, type RestartConfig, startRestart } from '#product/operator'
import { driverNodeId, startDriver, type TestDriver } from '../../support/driver.ts'
import { until as untilWithin } from '../../support/eventually.ts'
import { objectsAttribute } from '../../support/fake-provider.ts'
import { podVolume } from '../../support/pod-volume.ts'
import { secretsVolume } from '../../support/secrets-volume.ts'

export const replicaSets: Resource<UntypedObject> = resources.replicaSets
const namespace = 'default'

/**
 * The API server with its controllers, and the driver beside it: this test is kubelet, which starts each pod by publishing its
 * volumes. Versions are set for all pods or for one, and reach the pods with the driver's next check, within a second.
 */
export interface RestartLab {
  driver: TestDriver
  kube: TestDriver['kube']
  metrics: ReturnType<typeof createOperatorMetrics>
  operate(overrides?: Partial<RestartConfig>, log?: Log): Running
  createClass(name: string, spec?: SecretProviderClass['spec']): Promise<void>
  /** A Deployment whose pods mount these classes. */
  deploy(name: string, options?: DeployOptions): Promise<void>
  setVersion(version: string, pod?: string): void
  /** The running pods of a workload, oldest first. */
  pods(app: string): Promise<Pod[]>
  /** Waits until the pods of a workload have these versions on their status objects. */
  hasVersion(app: string, version: string, pods: number): Promise<unknown>
  workload(name: string, resource?: Resource<UntypedObject>): Promise<UntypedObject>
  restartedFor(name: string, resource?: Resource<UntypedObject>): Promise<string | undefined>
  replicaSetsOf(name: string): Promise<UntypedObject[]>
  event(reason: string, about: string): Promise<KubeEvent>
  events(reason: string): Promise<KubeEvent[]>
}

export interface DeployOptions {
  replicas?: number
  classes?: readonly string[]
  annotations?: Record<string, string>
  templateAnnotations?: Record<string, string>
  paused?: boolean
}

/** What asks for restarts. */
export const optIn = { 'keymount.dev/restart-on-rotation': 'true' }

export async function startRestartLab(t: TestContext): Promise<RestartLab> {
  const driver = await startDriver(t, {
    flags: ['--enable-secret-rotation', '--rotation-poll-interval=1s'],
  })
  const { kube, provider } = driver
  const versions = { all: 'v1', byPod: new Map<string, string>() }
  provider.answer = (request) => {
    const pod = (JSON.parse(request.attributes) as Record<string, string>)['csi.storage.k8s.io/pod.name'] ?? ''
    const version = versions.byPod.get(pod) ?? versions.all
    return {
      objectVersion: [{ id: 'secret/foo', version }],
      error: undefined,
      files: [{ path: 'foo', mode: 0, contents: Buffer.from(`value of ${version}`) }],
    }
  }
  const metrics = createOperatorMetrics()
  startKubelet(t, driver)
  const lab: RestartLab = {
    driver,
    kube,
    metrics,
    operate(overrides = {}, log = silentLog) {
      const running = startRestart(
        {
          namespaces: [],
          maxPerMinute: 6000,
          burst: 100,
          minIntervalMs: 0,
          dryRun: false,
          guess: false,
          reloaderAnnotations: false,
          rotationIntervalMs: 60_000,
          ...overrides,
        },
        { kube, metrics, log, gatherMs: 100 },
      )
      t.after(() => running.stop())
      return running
    },
    async createClass(name, spec = {}) {
      await driver.createClass(name, {
        provider: provider.name,
        parameters: { objects: objectsAttribute(['foo']) },
        ...spec,
      })
    },
    async deploy(name, { replicas = 1, annotations = optIn, paused = false, ...template } = {}) {
      await kube.create(resources.deployments, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { namespace, name, annotations },
        spec: { replicas, paused, selector: { matchLabels: { app: name } }, template: templateOf(name, template) },
      })
      await until(`${replicas} pods of ${name}`, async () => (await runningPods(lab, name)).length === replicas)
    },
    setVersion(version, pod) {
      if (pod === undefined) Object.assign(versions, { all: version, byPod: new Map() })
      else versions.byPod.set(pod, version)
    },
    pods: (app) => podsOf(driver, app),
    hasVersion: (app, version, pods) =>
      until(`${pods} pods of ${app} to have ${version}`, async () => {
        const names = new Set((await podsOf(driver, app)).map(({ metadata }) => metadata.name))
        const statuses = (await driver.statuses()).filter(({ status }) => names.has(status?.podName))
        const found = statuses.filter(({ status }) => status?.objects?.[0]?.version === version)
        return found.length === pods
      }),
    workload: (name, resource = resources.deployments) => kube.get(resource, { namespace, name }),
    async restartedFor(name, resource) {
      const object = await lab.workload(name, resource)
      const path = ['spec', 'template', 'metadata', 'annotations', 'keymount.dev/restarted-for']
      return stringOf(valueAt(object, ...path))
    },
    async replicaSetsOf(name) {
      const { items } = await kube.list(replicaSets, { namespace })
      return items.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.name === name))
    },
    event: (reason, about) =>
      until(`event ${reason} of ${about}`, async () =>
        (await lab.events(reason)).find(({ involvedObject }) => involvedObject.name === about),
      ),
    async events(reason) {
      const { items } = await kube.list(resources.events, { namespace })
      return items.filter((event) => event.reason === reason)
    },
  }
  return lab
}

export function templateOf(
  app: string,
  { classes = ['app'], templateAnnotations = {} }: Pick<DeployOptions, 'classes' | 'templateAnnotations'> = {},
) {
  return {
    metadata: { labels: { app }, annotations: templateAnnotations },
    spec: {
      nodeName: driverNodeId,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image: 'busybox' }],
      volumes: classes.map((className) => secretsVolume(className, className)),
    },
  }
}

async function podsOf({ kube }: TestDriver, app: string): Promise<Pod[]> {
  const { items } = await kube.list(resources.pods, { namespace, labelSelector: `app=${app}` })
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1))
}

async function runningPods(lab: RestartLab, app: string): Promise<Pod[]> {
  return (await lab.pods(app)).filter(({ status }) => status?.phase === 'Running')
}

/** Starts each pod of the driver's node: publishes its volumes, then reports that its containers run. */
function startKubelet(t: TestContext, driver: TestDriver): void {
  const { kube } = driver
  const started = new Set<string>()
  const stopping = new AbortController()
  const look = async () => {
    const { items } = await kube.list(resources.pods, { namespace })
    for (const pod of items) {
      const { uid = '', deletionTimestamp } = pod.metadata
      if (deletionTimestamp !== undefined) await remove(driver, pod)
      else if (!started.has(uid)) {
        started.add(uid)
        await start(driver, pod).catch(() => started.delete(uid))
      }
    }
  }
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      await look().catch(() => undefined)
      await sleep(50)
    }
  })()
  t.after(async () => {
    stopping.abort()
    await loop
  })
}

function requestsOf({ kubeletRoot }: TestDriver, { metadata, spec }: Pod) {
  const { name = '', uid = '' } = metadata
  return (spec.volumes ?? []).flatMap(({ name: volume, csi }) => {
    const className = csi?.volumeAttributes?.secretProviderClass
    return className === undefined ? [] : [podVolume({ kubeletRoot, name, namespace, uid, className, volume }).request]
  })
}

async function start(driver: TestDriver, pod: Pod): Promise<void> {
  for (const request of requestsOf(driver, pod)) await driver.publish(request)
  const { name = '' } = pod.metadata
  await reportRunning(driver.kube, name, Date.now())
}

/** Reports that all containers of a pod run since this time. */
export async function reportRunning(kube: TestDriver['kube'], name: string, startedAtMs: number): Promise<void> {
  const pod = await kube.get(resources.pods, { namespace, name })
  const containerStatuses = pod.spec.containers.map((container) => ({
    name: container.name,
    ready: true,
    started: true,
    restartCount: 0,
    image: container.image ?? '',
    imageID: '',
    state: { running: { startedAt: timestamp(startedAtMs) } },
  }))
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }], containerStatuses }
  await kube.patch(resources.pods, { namespace, name }, { status }, { subresource: 'status' })
}

async function remove(driver: TestDriver, pod: Pod): Promise<void> {
  for (const { volumeId, targetPath } of requestsOf(driver, pod)) await driver.unpublish({ volumeId, targetPath })
  const { name = '', uid } = pod.metadata
  await driver.kube.delete(resources.pods, { namespace, name }, { gracePeriodSeconds: 0, uid })
}

/** Everything here happens within seconds. */
export function until<T>(what: string, ask: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  return untilWithin(what, ask, { everyMs: 50 })
}
