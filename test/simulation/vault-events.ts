import { classAnnotations, parseClassChange, resources, type SecretProviderClass } from '#kubernetes/client'
import type { Running } from '#lib'
import { inlineTasks } from '#lib/worker'
import { createEventsMetrics, createQueueSource, startEvents } from '#product/operator'
import { calmReplicas, disturbReplica } from './disturb-replica.ts'
import { type LeadingProgram, startReplicas } from './leading-replicas.ts'
import { repeat, repeatWhileStormy } from './repeat.ts'
import { clusterScenario, type SimulatedCluster } from './scenario.ts'
import { classObject, createNamespace } from './simulated-objects.ts'
import { createQueue, type QueueKind, type SimulatedQueue } from './simulated-queue.ts'
import { runStormThenCalm } from './storm.ts'
import { epoch } from './world.ts'

const stormMs = 6 * 60_000
/** Long enough for an election, the longest back-off, and messages that were delivered and not deleted. */
const calmMs = 6 * 60_000
const namespaces = ['blue', 'red']
/** Many objects, each of which changes seldom: a lost event is not made up for by the next one. */
const names = Array.from({ length: 40 }, (_, index) => `object-${index}`)
/** Objects of each class. */
const classes: Readonly<Record<string, readonly string[]>> = {
  app: names.slice(0, 25),
  web: names.slice(20, 35),
  one: names.slice(0, 1),
}

/** A class, and what was written to it. */
interface Watched {
  key: string
  objects: readonly string[]
  /** When each object was named in a change last; by true time. */
  named: Map<string, number>
  ids: string[]
  writes: number[]
}

interface Fleet extends SimulatedCluster {
  queue: SimulatedQueue
  classes: Map<string, Watched>
  /** When each object was set last; by true time. */
  sets: Map<string, number>
  sent: number
}

/**
 * Replicas of the operator, a queue that delivers twice, late and in no order, and an API server that fails. After each set, each class
 * with the object names it in a change: nothing is lost. A class gets at most one change in a second, no id returns after another
 * one unless its event came twice, and in the end the queue is empty.
 */
export const vaultEvents = clusterScenario('vault events', (cluster) => run(cluster, 'queue'))

/** The same by the event subscription of a namespace, whose locks are longer and whose receives wait. */
export const namespaceTopicEvents = clusterScenario('vault events of a namespace topic', (cluster) =>
  run(cluster, 'namespace topic'),
)

async function run({ world, server }: SimulatedCluster, kind: QueueKind): Promise<void> {
  const fleet: Fleet = {
    world,
    server,
    queue: createQueue(world, kind),
    classes: new Map(),
    sets: new Map(),
    sent: 0,
  }
  await createObjects(fleet)
  watchClasses(fleet)
  const replicas = startReplicas(fleet, 'operator', {
    restartMs: [100, 20_000],
    work: (program) => startPart(fleet, program),
  })
  repeat(world, [1000, 40_000], () => world.stormy && disturbReplica(world, replicas))
  repeatWhileStormy(world, [50, 20_000], () => set(fleet))
  repeatWhileStormy(world, [20_000, 90_000], () => burst(fleet))
  await runStormThenCalm(world, { stormMs, calmMs, onCalm: () => calmReplicas(world, replicas) })
  checkEnd(fleet)
}

async function createObjects({ server, classes: watched }: Fleet): Promise<void> {
  for (const namespace of namespaces) {
    await createNamespace(server, namespace)
    for (const [name, objects] of Object.entries(classes)) {
      await server.admin.create(resources.secretProviderClasses, classOf(namespace, name, objects))
      watched.set(`${namespace}/${name}`, {
        key: `${namespace}/${name}`,
        objects,
        named: new Map(),
        ids: [],
        writes: [],
      })
    }
  }
}

function classOf(namespace: string, name: string, objects: readonly string[]): SecretProviderClass {
  const entries = objects.map((one) => `  - |\n    objectName: ${one}\n    objectType: secret`)
  const parameters = { keyvaultName: 'shop', tenantId: 'tenant', objects: `array:\n${entries.join('\n')}` }
  return classObject({ namespace, name }, { provider: 'azure', parameters })
}

function startPart({ queue }: Fleet, { kube, log, clock, process }: LeadingProgram): Running {
  const metrics = createEventsMetrics()
  const source = createQueueSource({
    queue: queue.clientFor(process),
    vaultSuffix: 'vault.azure.net',
    log,
    clock,
    onIgnored: metrics.ignored,
    onAge: metrics.age,
  })
  return startEvents({
    kube,
    log,
    clock,
    metrics,
    sources: [source],
    tasks: inlineTasks(),
    namespaces: [],
    pod: { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: process.name },
  })
}

/** A new version of a secret, and its event. */
function set(fleet: Fleet): void {
  const { world, queue, sets } = fleet
  const { random, time } = world
  const name = random.pick(names)
  const version = `v${++fleet.sent}`
  sets.set(name, time.now)
  const id = `event-${fleet.sent}`
  world.note(`${name} is set: ${id}`)
  const event = {
    id,
    eventType: 'Microsoft.KeyVault.SecretNewVersionCreated',
    // The clocks of a vault's servers differ.
    eventTime: new Date(epoch + time.now + random.between(-300, 300)).toISOString(),
    data: { Id: `https://shop.vault.azure.net/secrets/${name}/${version}` },
  }
  const text = JSON.stringify(random.chance(0.1) ? [event] : event)
  queue.send(random.chance(0.5) ? text : Buffer.from(text).toString('base64'))
}

function burst(fleet: Fleet): void {
  for (let left = fleet.world.random.int(60); left > 0; left--)
    fleet.world.time.after(fleet.world.random.between(0, 3000), () => set(fleet))
}

function watchClasses({ server, world, classes: watched }: Fleet): void {
  server.store.follow(server.store.revision, ({ resource, object }) => {
    if (resource !== 'secretproviderclasses.secrets-store.csi.x-k8s.io') return
    const one = watched.get(`${object.metadata.namespace}/${object.metadata.name}`)
    const text = object.metadata.annotations?.[classAnnotations.changed]
    if (one === undefined || text === undefined) return
    const change = parseClassChange(text)
    if (change === undefined) return world.violate(`${one.key} has a change that drivers cannot read: ${text}`)
    for (const name of one.objects)
      if (change.objects.some((id) => id === '*' || id.split('/')[4] === name)) one.named.set(name, world.time.now)
    if (change.id === one.ids.at(-1)) return
    if (one.ids.includes(change.id)) world.count('change comes back')
    world.count('change')
    one.ids.push(change.id)
    one.writes.push(world.time.now)
  })
}

function checkEnd({ world, queue, classes: watched, sets }: Fleet): void {
  if (queue.length > 0) world.violate(`${queue.length} messages are left in the queue`)
  for (const { key, objects, named, ids, writes } of watched.values()) {
    for (const name of objects) {
      const setAt = sets.get(name)
      if (setAt !== undefined && (named.get(name) ?? Number.NEGATIVE_INFINITY) < setAt)
        world.violate(`${key} has no change for the last set of ${name}`)
    }
    const crashes = (world.counts.get('crash') ?? 0) + (world.counts.get('leadership lost') ?? 0)
    const within = writes.filter((at, index) => at - (writes[index - 1] ?? Number.NEGATIVE_INFINITY) < 900).length
    if (within > crashes)
      world.violate(`${key} has ${within} changes within a second of another, and ${crashes} crashes`)
    const repeated = ids.length - new Set(ids).size
    if (repeated > crashes) world.violate(`${repeated} changes of ${key} came back, and ${crashes} crashes`)
  }
}
