import {
  classAnnotations,
  csiDriverAnnotations,
  isNotFound,
  type KubeClient,
  printClassChange,
  printEventsConfirmation,
  resources,
  type Secret,
  type SecretObject,
  type SecretProviderClass,
  type SecretProviderClassPodStatus,
  statusAnnotations,
} from '#kubernetes/client'
import type { Node as Driver } from '../../src/product/driver/node.ts'
import { repeatWhileStormy } from './repeat.ts'
import type { Scenario } from './scenario.ts'
import { contentOf, isMadeFrom, objectOfKey } from './secret-content.ts'
import { type SimulatedApiServer, startApiServer } from './simulated-api-server.ts'
import {
  checkContent,
  readContent,
  runPod,
  type SimulatedNode,
  type SimulatedPod,
  startNode,
  stopPod,
} from './simulated-node.ts'
import { classObject, createNamespace, serviceAccount } from './simulated-objects.ts'
import { createVaults, objectNames, type SimulatedVaults, typedObjectNames } from './simulated-vaults.ts'
import { runStormThenCalm } from './storm.ts'
import type { World } from './world.ts'

const namespaces = ['blue', 'red']
const stormMs = 8 * 60_000
const intervalMs = 120_000
/** Longer than the run, in which a wall clock may be set by a day. */
const rareIntervalMs = 100 * 3_600_000
/** Long enough for kubelet's longest retry, a rotation, the resync of Secrets and the retry of a status object. */
const calmMs = 12 * 60_000

interface Cluster {
  world: World
  /** What classes name. */
  objects: readonly string[]
  /** Whether class `app` asks for Secrets of several types. */
  typed: boolean
  /** Objects that have changed and that no class has reported yet, by namespace; undefined where changes are found by polling. */
  unreported: Map<string, Set<string>> | undefined
  /** That confirms that it reports every change; undefined where none does. */
  operator: SimulatedOperator | undefined
  server: SimulatedApiServer
  vaults: SimulatedVaults
  nodes: SimulatedNode[]
  /** Names of pods so far. */
  pods: number
  /** Changes that may cause writes of Secrets, by namespace. */
  causes: Map<string, number>
  /** Writes of each Secret, by `namespace/name`. */
  secretWrites: Map<string, number>
  /** Since when a volume's status object names a check that is long past, by driver and target, although its checks succeed. */
  pastSince: Map<Driver, Map<string, number>>
}

/**
 * Two nodes with drivers, pods that come and go, vaults and classes that change, and everything that can go wrong on the way.
 * No value reaches another pod's volume or another namespace's Secret; a volume and a Secret are always one complete answer;
 * nothing is written that did not change; the status object of a volume whose
 * checks succeed names no check that is long past; and in the end everything is delivered, and nothing is left of what is gone.
 */
export const nodeDriver: Scenario = {
  name: 'node driver',
  run: (world, directory) => run(world, directory, { typed: false, events: false }),
}

/** The same, with Secrets of the types kubernetes.io/tls and kubernetes.io/dockerconfigjson beside the Opaque one. */
export const nodeDriverTyped: Scenario = {
  name: 'node driver with typed Secrets',
  run: (world, directory) => run(world, directory, { typed: true, events: false }),
}

/**
 * Volumes are polled so rarely that it never happens here: every change has to come by the annotation of the classes, and what was
 * mounted while a vault could not be reached by the retries of the driver.
 */
export const nodeDriverEvents: Scenario = {
  name: 'node driver with events and outages',
  run: (world, directory) => run(world, directory, { typed: false, events: true }),
}

/**
 * An operator confirms that it reports every change, so that volumes are polled so rarely that it never happens here. It ends and starts
 * again, has lost or kept what happened meanwhile, and in the end may be gone for good: then polling at the volumes' own interval has to
 * deliver what was never reported.
 */
export const nodeDriverQuiet: Scenario = {
  name: 'node driver with quiet polling',
  run: (world, directory) => run(world, directory, { typed: false, events: false, quiet: true }),
}

/** Volumes are polled less often than status objects are written: what is mounted shortly before a check has a record of its own. */
export const nodeDriverRare: Scenario = {
  name: 'node driver with checks further apart than status writes',
  run: (world, directory) => run(world, directory, { typed: false, events: false, polledEveryMs: 10 * 60_000 }),
}

interface SimulatedOperator {
  isRunning: boolean
  beat: number
  /** By vault. */
  periods: Map<string, number>
}

interface Variant {
  typed: boolean
  events: boolean
  quiet?: boolean
  polledEveryMs?: number
}

async function run(
  world: World,
  directory: string,
  { typed, events, quiet = false, polledEveryMs }: Variant,
): Promise<void> {
  const server = await startApiServer(world, directory, { collectsOrphans: typed })
  const objects = typed ? typedObjectNames : objectNames
  const vaults = createVaults(world, namespaces, objects)
  const options = { server, vaults, directory, intervalMs: events ? rareIntervalMs : (polledEveryMs ?? intervalMs) }
  const nodes = ['node-1', 'node-2'].map((name) => startNode(world, { ...options, name }))
  const counts = {
    pods: 0,
    causes: new Map<string, number>(),
    secretWrites: new Map<string, number>(),
    pastSince: new Map(),
  }
  const unreported = events || quiet ? new Map<string, Set<string>>() : undefined
  const operator = quiet
    ? { isRunning: true, beat: 0, periods: new Map(namespaces.map((name) => [name, 1])) }
    : undefined
  const cluster: Cluster = { world, objects, typed, unreported, operator, server, vaults, nodes, ...counts }
  await createObjects(cluster)
  if (operator !== undefined) await startOperator(cluster, operator)
  watchSecrets(cluster)
  for (let i = 0; i < 3; i++) await createPod(cluster)
  repeatWhileStormy(world, [1000, 25_000], () => step(cluster))
  // After every event, so that no switch of the files is missed.
  const check = () => {
    checkVolumes(cluster)
    checkRecords(cluster)
    world.check()
  }
  // Nothing is left for an operator that runs; one that has ended does not come back.
  const onCalm = () =>
    operator?.isRunning === true && Promise.all(namespaces.map((name) => reportChanges(cluster, name)))
  // A check of every volume comes in it.
  const times = { stormMs, calmMs: calmMs + (polledEveryMs ?? 0) }
  await runStormThenCalm(world, { ...times, onCalm, check })
  await checkEnd(cluster)
  world.check()
}

const classNames = ['app', 'web']

async function createObjects({ server, typed }: Cluster): Promise<void> {
  const { admin } = server
  for (const namespace of namespaces) {
    await createNamespace(server, namespace)
    await admin.create(resources.serviceAccounts, serviceAccount(namespace))
    for (const name of classNames) await admin.create(resources.secretProviderClasses, classOf(namespace, name, typed))
  }
}

function classOf(namespace: string, name: string, typed: boolean): SecretProviderClass {
  return classObject(
    { namespace, name },
    {
      provider: 'azure',
      parameters: { vault: namespace, objects: (typed ? typedObjectNames : ['password', 'token']).join() },
      ...(name === 'app' ? { secretObjects: [secretObject('password'), ...(typed ? typedSecrets : [])] } : {}),
    },
  )
}

function secretObject(...objects: string[]) {
  const data = objects.map((objectName) => ({ objectName, key: objectName }))
  return { secretName: 'app-secret', type: 'Opaque', data }
}

const typedSecrets: readonly SecretObject[] = [
  {
    secretName: 'app-tls',
    type: 'kubernetes.io/tls',
    data: ['tls.crt', 'tls.key'].map((key) => ({ objectName: objectOfKey(key), key })),
  },
  {
    secretName: 'app-registry',
    type: 'kubernetes.io/dockerconfigjson',
    data: [{ objectName: 'registry', key: '.dockerconfigjson' }],
  },
]

async function createPod(cluster: Cluster): Promise<void> {
  const { world, server, nodes } = cluster
  const { random } = world
  const namespace = random.pick(namespaces)
  const className = random.pick(classNames)
  const node = random.pick(nodes)
  const name = `pod-${++cluster.pods}`
  const { metadata } = await server.admin.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { nodeName: node.name, containers: [{ name: 'app', image: 'app' }] },
  })
  cause(cluster, namespace)
  runPod(node, { name, namespace, className, uid: metadata.uid ?? '' })
}

async function deletePod(cluster: Cluster): Promise<void> {
  const { world, server, nodes } = cluster
  const node = world.random.pick(nodes)
  const pods = [...node.pods.values()].filter(({ leaving }) => !leaving)
  if (pods.length === 0) return
  const pod = world.random.pick(pods)
  cause(cluster, pod.namespace)
  world.note(`${pod.name} is deleted`)
  await stopPod(node, pod)
  await server.admin.delete(resources.pods, { name: pod.name, namespace: pod.namespace }, { gracePeriodSeconds: 0 })
}

/** One thing that happens in a cluster. */
async function step(cluster: Cluster): Promise<void> {
  const { world, nodes, server } = cluster
  const { random } = world
  const namespace = random.pick(namespaces)
  const driver = random.pick(nodes).driver
  const steps: (() => void | Promise<void>)[] = [
    () => changeVault(cluster, namespace),
    () => changeVault(cluster, namespace),
    () => createPod(cluster),
    () => createPod(cluster),
    () => deletePod(cluster),
    () => editClass(cluster, namespace),
    () => requestRotation(cluster, namespace),
    () => driver?.process.kill('killed'),
    () => driver?.process.stepWallClock(random.between(-1, 1) * 24 * 3_600_000),
    () => driver?.process.pause(random.between(100, 20_000)),
    () => driver?.network.partition(random.between(1000, 60_000)),
    () => meddleWithSecret(cluster, namespace),
    // One that is deleted comes back with the next check.
    cluster.operator !== undefined
      ? () => restartOperator(cluster)
      : cluster.unreported === undefined
        ? () => deleteStatus(server.admin, random.pick, namespace)
        : () => cluster.vaults.cut(namespace, random.between(5000, 90_000)),
  ]
  await random.pick(steps)()
}

function changeVault(cluster: Cluster, namespace: string): void {
  cause(cluster, namespace)
  const changed = cluster.vaults.change(namespace)
  const { unreported, world } = cluster
  if (unreported === undefined || changed.length === 0) return
  unreported.set(namespace, new Set([...(unreported.get(namespace) ?? []), ...changed]))
  // As the operator does: all that has happened within a second at once, a little later.
  world.time.after(world.random.between(10, 3000), () => void reportChanges(cluster, namespace))
}

const csiDriver = { name: 'secrets-store.csi.k8s.io' }

async function startOperator(cluster: Cluster, operator: SimulatedOperator): Promise<void> {
  const { world, server } = cluster
  const object = { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: csiDriver, spec: {} }
  await server.admin.create(resources.csiDrivers, object)
  const beat = () => {
    if (operator.isRunning) void confirm(cluster, operator)
    world.time.after(60_000, beat)
  }
  beat()
}

async function confirm({ world, server }: Cluster, operator: SimulatedOperator): Promise<void> {
  const text = printEventsConfirmation({
    beat: ++operator.beat,
    at: Math.round(world.time.now),
    intervalMs: rareIntervalMs,
    vaults: new Map([...operator.periods].map(([name, period]) => [`${name}.vault.azure.net`, `p${period}`])),
    namespaces: undefined,
    except: [],
  })
  const annotations = { [csiDriverAnnotations.eventsConfirmed]: text }
  await server.admin.patch(resources.csiDrivers, csiDriver, { metadata: { annotations } })
}

/** It ends; or it comes back, and either reports what has happened meanwhile or has lost it, which it knows. */
async function restartOperator(cluster: Cluster): Promise<void> {
  const { operator, unreported, world } = cluster
  if (operator === undefined) return
  operator.isRunning = !operator.isRunning
  world.note(`the operator ${operator.isRunning ? 'runs' : 'has ended'}`)
  if (!operator.isRunning) return
  const isLost = world.random.chance(0.5)
  for (const namespace of namespaces)
    if (isLost && unreported?.delete(namespace) === true) {
      world.count('events lost')
      operator.periods.set(namespace, (operator.periods.get(namespace) ?? 0) + 1)
    } else await reportChanges(cluster, namespace)
}

const noSpread = { spreadSeconds: 0, signInSpreadSeconds: 0 }

/** The annotation that the operator writes, for what has changed since the last one. */
async function reportChanges({ unreported, operator, server, world }: Cluster, namespace: string): Promise<void> {
  if (operator?.isRunning === false) return
  const objects = [...(unreported?.get(namespace) ?? [])]
  if (objects.length === 0) return
  unreported?.delete(namespace)
  const change = {
    id: `event-${world.time.now}`,
    at: Math.round(world.time.now),
    seen: Math.round(world.time.now),
    objects: objects.map((object) => `https://${namespace}.vault.azure.net/secrets/${object}/1f`),
    ...world.random.pick([noSpread, noSpread, { spreadSeconds: 5, signInSpreadSeconds: 20 }]),
  }
  const metadata = { annotations: { [classAnnotations.changed]: printClassChange(change) } }
  world.note(`the classes of ${namespace} report a change of ${objects.join(', ')}`)
  for (const name of classNames)
    await server.admin.patch(resources.secretProviderClasses, { name, namespace }, { metadata })
}

function cause({ causes }: Cluster, namespace: string): void {
  causes.set(namespace, (causes.get(namespace) ?? 0) + 1)
}

async function editClass(cluster: Cluster, namespace: string): Promise<void> {
  const { server, world } = cluster
  const { random } = world
  cause(cluster, namespace)
  const name = random.pick(classNames)
  const objects = cluster.objects.filter((object) => object === 'password' || random.chance(0.6))
  const opaque = () => secretObject(...objects.slice(0, 1 + random.int(2)))
  const typed = typedSecrets.filter(({ data = [] }) =>
    data.every(({ objectName = '' }) => objects.includes(objectName)),
  )
  const secretObjects = name === 'app' && random.chance(0.9) ? [opaque(), ...(cluster.typed ? typed : [])] : null
  world.note(`class ${namespace}/${name} names ${objects.join(', ')}`)
  const spec = { parameters: { objects: objects.join(',') }, secretObjects }
  await server.admin.patch(resources.secretProviderClasses, { name, namespace }, { spec })
}

async function requestRotation(cluster: Cluster, namespace: string): Promise<void> {
  const { server, world } = cluster
  const name = world.random.pick(classNames)
  world.note(`class ${namespace}/${name} asks for a rotation`)
  const metadata = { annotations: { [classAnnotations.rotate]: String(world.time.now) } }
  await server.admin.patch(resources.secretProviderClasses, { name, namespace }, { metadata })
}

async function meddleWithSecret(cluster: Cluster, namespace: string): Promise<void> {
  const { server, world } = cluster
  const ref = { name: cluster.typed ? world.random.pick(secretNamesOf(cluster)) : 'app-secret', namespace }
  cause(cluster, namespace)
  try {
    if (world.random.chance(0.5)) await server.admin.delete(resources.secrets, ref)
    else await server.admin.patch(resources.secrets, ref, { metadata: { labels: { by: 'an-administrator' } } })
    world.note(`an administrator changes Secret ${namespace}/${ref.name}`)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

function secretNamesOf({ typed }: Cluster): string[] {
  return ['app-secret', ...(typed ? typedSecrets.map(({ secretName = '' }) => secretName) : [])]
}

async function deleteStatus(admin: KubeClient, pick: <T>(list: readonly T[]) => T, namespace: string): Promise<void> {
  const { items } = await admin.list(resources.secretProviderClassPodStatuses, { namespace })
  if (items.length === 0) return
  await admin.delete(resources.secretProviderClassPodStatuses, { name: pick(items).metadata.name ?? '', namespace })
}

function podsOf({ nodes }: Cluster): { node: SimulatedNode; pod: SimulatedPod }[] {
  return nodes.flatMap((node) => [...node.pods.values()].map((pod) => ({ node, pod })))
}

function checkVolumes(cluster: Cluster): void {
  for (const { node, pod } of podsOf(cluster)) if (pod.running && !pod.leaving) checkContent(node, pod)
}

/** For a check and a write that take long, and a driver that is paused. */
const recordGraceMs = 120_000

/** What tools take for a check that was missed must be one: see `lateAfterMs` of `keymount doctor`. */
function checkRecords({ world, nodes, pastSince }: Cluster): void {
  for (const { name, driver } of nodes) {
    if (driver === undefined) continue
    const { volumes, clock, statusIntervalMs } = driver.node
    const since = pastSince.get(driver.node) ?? new Map<string, number>()
    pastSince.set(driver.node, since)
    for (const { target, request, failure, status } of volumes.all()) {
      const isHealthy = request !== undefined && failure === undefined && status.retry === undefined
      if (!isHealthy || clock.elapsed() <= status.nextCheckAt + statusIntervalMs) since.delete(target)
      else if (!since.has(target)) since.set(target, world.time.now)
      else if (world.time.now - (since.get(target) ?? 0) > recordGraceMs)
        world.violate(`the status object of ${target} on ${name} names a check that is long past`)
    }
  }
}

/** Every version of a Secret that the driver writes is part of one answer to a pod of its namespace. */
function watchSecrets({ world, server, vaults, secretWrites }: Cluster): void {
  server.store.follow(server.store.revision, ({ resource, type, object }) => {
    if (resource !== 'secrets' || type === 'DELETED') return
    const { namespace = '', name } = object.metadata
    const key = `${namespace}/${name}`
    secretWrites.set(key, (secretWrites.get(key) ?? 0) + 1)
    const content = contentOf(object as unknown as Secret)
    if (vaults.answersIn(namespace).some((answer) => isMadeFrom(content, answer))) return
    world.violate(`Secret ${key} is not part of one answer: ${JSON.stringify(content)}`)
  })
}

async function checkEnd(cluster: Cluster): Promise<void> {
  const { world, server } = cluster
  const { admin } = server
  for (const { node, pod } of podsOf(cluster)) {
    if (pod.leaving) world.violate(`${pod.name} cannot leave`)
    else if (!pod.running) world.violate(`${pod.name} does not run`)
    else await checkPod(cluster, node, pod)
  }
  for (const namespace of namespaces)
    for (const name of secretNamesOf(cluster)) await checkSecret(cluster, namespace, name)
  const { items } = await admin.list(resources.secretProviderClassPodStatuses)
  const uids = new Set(podsOf(cluster).map(({ pod }) => pod.uid))
  for (const { metadata } of items) {
    const owner = metadata.ownerReferences?.[0]?.uid ?? ''
    if (!uids.has(owner)) world.violate(`the status object ${metadata.name} is of no pod that exists`)
  }
  for (const { mounter, pods, name, driver } of cluster.nodes) {
    const targets = new Set([...pods.values()].map(({ targetPath }) => targetPath))
    for (const mount of mounter.mounts) if (!targets.has(mount)) world.violate(`${mount} is still mounted on ${name}`)
    const counted = [...(driver?.node.memory.byTarget.keys() ?? [])]
    for (const target of counted) if (!targets.has(target)) world.violate(`${name} counts the memory of ${target}`)
  }
}

async function checkPod({ world, server, vaults }: Cluster, node: SimulatedNode, pod: SimulatedPod): Promise<void> {
  const { name, namespace, className } = pod
  const { spec } = await server.admin.get(resources.secretProviderClasses, { name: className, namespace })
  const objects = (spec?.parameters?.objects ?? '').split(',')
  const wanted = vaults.contentOf(namespace, objects.toSorted())
  const versions = vaults.versionsOf(namespace, objects.toSorted()).join()
  const found = readContent(pod)
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    world.violate(`${name} on ${node.name} has ${JSON.stringify(found)}, its class names ${JSON.stringify(wanted)}`)
  }
  const { items } = await server.admin.list(resources.secretProviderClassPodStatuses, { namespace })
  const statuses = items.filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === pod.uid))
  if (statuses.length !== 1) return world.violate(`${name} has ${statuses.length} status objects`)
  const [status] = statuses
  if (status !== undefined && versionsOf(status) !== versions) {
    world.violate(`the status object of ${name} has ${versionsOf(status)}, the volume ${versions}`)
  }
  const since = status?.metadata.annotations?.[statusAnnotations.staleSince]
  if (since !== undefined) world.violate(`${name} still has values of ${since}`)
  checkRecordedTime(node, pod, status)
}

/** Wall clocks were set before the last writes of volumes that are polled often. */
function checkRecordedTime(
  { driver, world, intervalMs: polledEvery }: SimulatedNode,
  { name }: SimulatedPod,
  status: SecretProviderClassPodStatus | undefined,
): void {
  const annotations = status?.metadata.annotations ?? {}
  const isRare = polledEvery >= rareIntervalMs || annotations[statusAnnotations.pollInterval] !== undefined
  if (driver === undefined || isRare) return
  const ago = driver.node.clock.now() - Date.parse(annotations[statusAnnotations.nextCheck] ?? '')
  if (!(ago <= driver.node.statusIntervalMs + recordGraceMs))
    world.violate(`the status object of ${name} names a check that was due ${ago} ms ago`)
}

function versionsOf({ status }: SecretProviderClassPodStatus): string {
  return (status?.objects ?? []).map(({ id, version }) => `${id}:${version}`).join()
}

/** A Secret of class `app`: there as long as a pod of the class is, with the vault's values. */
async function checkSecret(cluster: Cluster, namespace: string, name: string): Promise<void> {
  const { world, server, vaults } = cluster
  const key = `${namespace}/${name}`
  const users = podsOf(cluster).filter(({ pod }) => pod.namespace === namespace && pod.className === 'app')
  const { spec } = await server.admin.get(resources.secretProviderClasses, { name: 'app', namespace })
  const secret = await server.admin.get(resources.secrets, { name, namespace }).catch(() => undefined)
  const entry = spec?.secretObjects?.find(({ secretName }) => secretName === name)
  if (users.length === 0 && secret !== undefined) world.violate(`Secret ${key} has outlived its pods`)
  if (users.length > 0 && entry !== undefined) {
    const keys = entry.data?.map(({ key: one = '' }) => one) ?? []
    const wanted = vaults.contentOf(namespace, keys.map(objectOfKey))
    const found = secret === undefined ? {} : contentOf(secret)
    const isWanted = Object.keys(found).length === keys.length && isMadeFrom(found, wanted)
    if (!isWanted)
      world.violate(`Secret ${key} has ${JSON.stringify(found)}, its class names ${JSON.stringify(wanted)}`)
    if (secret !== undefined && secret.type !== entry.type) world.violate(`Secret ${key} is a ${secret.type}`)
  }
  // Each node may bring its own view of a change, and add its owners.
  const allowed = 10 + 6 * (cluster.causes.get(namespace) ?? 0)
  const writes = cluster.secretWrites.get(key) ?? 0
  if (writes > allowed)
    world.violate(`Secret ${key} was written ${writes} times for ${cluster.causes.get(namespace)} causes`)
}
