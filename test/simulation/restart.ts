import { resources, type UntypedObject, versionHash } from '#kubernetes/client'
import { createOperatorMetrics, type RestartConfig, startRestart } from '#product/operator'
import { calmReplicas, disturbReplica } from './disturb-replica.ts'
import { type LeadingReplica, startReplicas } from './leading-replicas.ts'
import { repeat } from './repeat.ts'
import { clusterScenario, type SimulatedCluster } from './scenario.ts'
import { createNamespace, serviceAccount } from './simulated-objects.ts'
import { runStormThenCalm } from './storm.ts'
import { epoch, type World } from './world.ts'

const minuteMs = 60_000
const stormMs = 15 * minuteMs
/** Long enough for an election, the agreement of all pods, the budget and two rollouts, the second an hour after the first. */
const calmMs = 75 * minuteMs
const namespaces = ['shop', 'bank', 'mail']
const workloadsOfEach = 3
const podsOfEach = 3
const className = 'app'
const key = 'keymount.dev/restarted-for'

const config: RestartConfig = {
  namespaces: [],
  maxPerMinute: 6,
  burst: 3,
  minIntervalMs: 0,
  dryRun: false,
  guess: false,
  reloaderAnnotations: false,
  rotationIntervalMs: 2 * minuteMs,
}

interface Pod {
  name: string
  uid: string
  startedWith: number
  have: number
}

/** A Deployment, with what its controller and the drivers know of it. */
interface Workload {
  namespace: string
  name: string
  uid: string
  /** Counts its ReplicaSets. */
  revision: number
  pods: Pod[]
  rollingOut: boolean
  restarts: { key: string; at: number }[]
  /** When a pod of it was stale last. */
  staleAt: number
  /** When a driver last found another version for a pod of it. */
  checkedAt: number
}

interface Fleet extends SimulatedCluster {
  replicas: LeadingReplica[]
  workloads: Workload[]
  /** Of the value of each namespace, in the vault. */
  versions: Map<string, number>
  /** Restarts in true time. */
  restarts: number[]
}

/**
 * Replicas of the operator, values that change and change back, drivers that see this at different times, and a controller of
 * Deployments. A workload is restarted only when a pod of it is stale, never twice for the same versions, and never beyond
 * the budget; and in the end no pod has other versions than it started with.
 */
export const restartOnRotation = clusterScenario('restart on rotation', async ({ world, server }) => {
  const fleet: Fleet = { world, server, replicas: [], workloads: [], versions: new Map(), restarts: [] }
  await createObjects(fleet)
  watchTemplates(fleet)
  fleet.replicas = startReplicas(fleet, 'operator', {
    restartMs: [100, 30_000],
    work: ({ kube, log, clock }) => startRestart(config, { kube, log, clock, metrics: createOperatorMetrics() }),
  })
  repeat(world, [1000, 40_000], () => world.stormy && disturbReplica(world, fleet.replicas))
  repeat(world, [20_000, 200_000], () => world.stormy && rotate(fleet))
  await runStormThenCalm(world, { stormMs, calmMs, onCalm: () => calmReplicas(world, fleet.replicas) })
  for (const workload of fleet.workloads) {
    const stale = workload.pods.filter(({ startedWith, have }) => startedWith !== have)
    if (stale.length > 0) world.violate(`${nameOf(workload)} has ${stale.length} stale pods at the end`)
  }
  if (fleet.restarts.length === 0) world.note('nothing was restarted')
  world.check()
  await changeOnce(fleet)
})

/**
 * One change, which the drivers of the nodes see up to two minutes apart while every replica of the operator is killed several
 * times: each workload is restarted exactly once, after its last pod has the new value.
 */
async function changeOnce(fleet: Fleet): Promise<void> {
  const { world, workloads, versions, replicas } = fleet
  const [namespace = ''] = namespaces
  const changedAt = world.time.now
  const concerned = workloads.filter((one) => one.namespace === namespace)
  const before = concerned.map(({ restarts }) => restarts.length)
  setVersion(fleet, namespace, (versions.get(namespace) ?? 0) + 1)
  for (let at = 20_000; at < 3 * minuteMs; at += 40_000)
    world.time.after(at, () => {
      for (const { process } of replicas) if (process.alive) process.kill('killed')
    })
  await world.time.runUntil(changedAt + 15 * minuteMs, world.check)
  for (const [index, workload] of concerned.entries()) {
    const restarts = workload.restarts.slice(before[index])
    if (restarts.length !== 1) world.violate(`${nameOf(workload)} is restarted ${restarts.length} times for one change`)
    else if ((restarts[0]?.at ?? 0) < workload.checkedAt)
      world.violate(`${nameOf(workload)} is restarted before its last pod has the new value`)
  }
  world.check()
}

function nameOf({ namespace, name }: Pick<Workload, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`
}

async function createObjects(fleet: Fleet): Promise<void> {
  const { admin } = fleet.server
  for (const namespace of namespaces) {
    fleet.versions.set(namespace, 1)
    await createNamespace(fleet.server, namespace)
    await admin.create(resources.serviceAccounts, serviceAccount(namespace))
    for (let index = 0; index < workloadsOfEach; index++) {
      const name = `web-${index}`
      const { metadata } = await admin.create(resources.deployments, deploymentOf(namespace, name))
      const uid = metadata.uid ?? ''
      const workload = {
        namespace,
        name,
        uid,
        revision: 0,
        pods: [],
        rollingOut: false,
        restarts: [],
        staleAt: -1,
        checkedAt: -1,
      }
      fleet.workloads.push(workload)
      await rollOut(fleet, workload)
    }
  }
}

function deploymentOf(namespace: string, name: string): UntypedObject {
  const labels = { app: name }
  const spec = { containers: [{ name: 'app', image: 'app' }] }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name, annotations: { 'keymount.dev/restart-on-rotation': 'true' } },
    spec: { replicas: podsOfEach, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  }
}

/** The pods of a new template in place of the others: they start with what the vault has. */
async function rollOut(fleet: Fleet, workload: Workload): Promise<void> {
  const { server, world } = fleet
  const { admin } = server
  const { namespace, name } = workload
  workload.revision++
  const setName = `${name}-r${workload.revision}`
  const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name, uid: workload.uid, controller: true }
  const template = { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'app', image: 'app' }] } }
  const set = await admin.create(resources.replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { namespace, name: setName, ownerReferences: [owner] },
    spec: { replicas: podsOfEach, selector: { matchLabels: { app: name } }, template },
  })
  const { spec } = await admin.get(resources.deployments, { namespace, name })
  const annotations = (spec as { template: { metadata: { annotations?: Record<string, string> } } }).template.metadata
    .annotations
  for (const pod of workload.pods) {
    const ref = { namespace, name: pod.name }
    await admin.delete(resources.secretProviderClassPodStatuses, ref).catch(() => undefined)
    await admin.delete(resources.pods, ref, { gracePeriodSeconds: 0 }).catch(() => undefined)
  }
  workload.pods = []
  for (let index = 0; index < podsOfEach; index++)
    workload.pods.push(
      await startPod(fleet, workload, { name: `${setName}-${index}`, setUid: set.metadata.uid ?? '', annotations }),
    )
  const generation = (await admin.get(resources.deployments, { namespace, name })).metadata.generation ?? 1
  const status = { observedGeneration: generation, replicas: podsOfEach, updatedReplicas: podsOfEach }
  await admin.patch(resources.deployments, { namespace, name }, { status }, { subresource: 'status' })
  world.note(`${nameOf(workload)} is rolled out: ${setName}`)
}

interface NewPod {
  name: string
  setUid: string
  /** Of the template. */
  annotations: Record<string, string> | undefined
}

async function startPod(fleet: Fleet, workload: Workload, { name, setUid, annotations }: NewPod): Promise<Pod> {
  const { server, world } = fleet
  const { namespace } = workload
  const have = fleet.versions.get(namespace) ?? 0
  const setName = name.slice(0, name.lastIndexOf('-'))
  const { metadata } = await server.admin.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name,
      annotations: annotations ?? {},
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: setName, uid: setUid, controller: true }],
    },
    spec: { containers: [{ name: 'app', image: 'app' }] },
  })
  const startedAt = timeText(world)
  const state = { running: { startedAt } }
  const containerStatuses = [{ name: 'app', ready: true, restartCount: 0, image: 'app', imageID: '', state }]
  const status = { phase: 'Running', containerStatuses }
  await server.admin.patch(resources.pods, { namespace, name }, { status }, { subresource: 'status' })
  const pod = { name, uid: metadata.uid ?? '', startedWith: have, have }
  await server.admin.create(resources.secretProviderClassPodStatuses, statusOf(fleet, workload, pod))
  return pod
}

function timeText({ time }: World): string {
  return new Date(epoch + time.now).toISOString()
}

function statusOf({ world }: Fleet, { namespace }: Workload, pod: Pod) {
  const objects = [{ id: 'secret/db', version: String(pod.have) }]
  const startedWith = versionHash(className, [{ id: 'secret/db', version: String(pod.startedWith) }])
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: {
      namespace,
      name: pod.name,
      annotations: { 'keymount.dev/started-with': startedWith, 'keymount.dev/last-change': timeText(world) },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid }],
    },
    status: { podName: pod.name, secretProviderClassName: className, mounted: true, objects },
  }
}

/** A value changes, and sometimes back; each pod gets it within two minutes. */
function rotate(fleet: Fleet): void {
  const { world, versions } = fleet
  const { random } = world
  const namespace = random.pick(namespaces)
  const before = versions.get(namespace) ?? 0
  setVersion(fleet, namespace, before + 1)
  if (random.chance(0.3)) world.time.after(random.between(1000, 90_000), () => setVersion(fleet, namespace, before))
}

function setVersion(fleet: Fleet, namespace: string, version: number): void {
  const { world, versions, workloads } = fleet
  world.note(`the value of ${namespace} is version ${version}`)
  versions.set(namespace, version)
  for (const workload of workloads.filter((one) => one.namespace === namespace))
    for (const { uid } of workload.pods)
      world.time.after(world.random.between(100, 2 * minuteMs), () => void check(fleet, workload, uid))
}

/** What the driver of a pod's node does at its tick. */
async function check(fleet: Fleet, workload: Workload, uid: string): Promise<void> {
  const { server, world, versions } = fleet
  const pod = workload.pods.find((one) => one.uid === uid)
  const version = versions.get(workload.namespace) ?? 0
  if (pod === undefined || pod.have === version) return
  if (pod.startedWith !== pod.have) workload.staleAt = world.time.now
  pod.have = version
  workload.checkedAt = world.time.now
  if (pod.startedWith !== pod.have) workload.staleAt = world.time.now
  const { metadata, status } = statusOf(fleet, workload, pod)
  const ref = { namespace: workload.namespace, name: pod.name }
  const patch = { metadata: { annotations: metadata.annotations }, status }
  await server.admin.patch(resources.secretProviderClassPodStatuses, ref, patch).catch(() => undefined)
}

/** The controller of Deployments, and what is checked of each restart. */
function watchTemplates(fleet: Fleet): void {
  const { server, world } = fleet
  server.store.follow(server.store.revision, ({ resource, object }) => {
    if (resource !== 'deployments.apps') return
    const { namespace, name } = object.metadata
    const workload = fleet.workloads.find((one) => one.namespace === namespace && one.name === name)
    const { template } = (object as { spec?: { template?: UntypedObject } }).spec ?? {}
    const restartedFor = template?.metadata.annotations?.[key]
    if (workload === undefined || restartedFor === undefined || restartedFor === workload.restarts.at(-1)?.key) return
    checkRestart(fleet, workload, restartedFor)
    if (workload.rollingOut) return
    workload.rollingOut = true
    world.time.after(world.random.between(1000, 30_000), () => {
      void rollOut(fleet, workload).then(() => {
        workload.rollingOut = false
      })
    })
  })
}

/** A decision may be as old as the longest request. */
const decisionMs = minuteMs

function checkRestart({ world, restarts }: Fleet, workload: Workload, restartedFor: string): void {
  const { now } = world.time
  world.count('restart')
  world.note(`${nameOf(workload)} is restarted for ${restartedFor}`)
  if (workload.rollingOut) world.violate(`${nameOf(workload)} is restarted while it is rolled out`)
  const isStale = workload.pods.some(({ startedWith, have }) => startedWith !== have)
  if (!isStale && now - workload.staleAt > decisionMs) world.violate(`${nameOf(workload)} is restarted and was fresh`)
  workload.restarts.push({ key: restartedFor, at: now })
  restarts.push(now)
  for (const [index, at] of restarts.entries()) {
    const allowed = config.burst + (config.maxPerMinute * (now - at)) / minuteMs + 1
    if (restarts.length - index > allowed)
      world.violate(`${restarts.length - index} restarts in ${(now - at) / 1000} s`)
  }
}
