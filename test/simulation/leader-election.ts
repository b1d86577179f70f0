import { createKubeClient, type Leadership, lead } from '#kubernetes/client'
import { connectToApiServer, type Network } from './network.ts'
import { repeatWhileStormy } from './repeat.ts'
import type { Scenario } from './scenario.ts'
import { type SimulatedApiServer, serverUrl, startApiServer } from './simulated-api-server.ts'
import { createProcess, type SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

const durationMs = 15_000
const stormMs = 10 * 60_000
/** Long enough for a new election, whatever the storm left. */
const calmMs = 3 * 60_000

interface Replica {
  name: string
  process: SimulatedProcess
  network: Network
  leadership: Leadership
}

/** What leaders have done, in true time. */
interface Actions {
  /** The term that acted last. */
  last: number
  /** Terms that have begun. */
  terms: number
  lastAt: number
}

/**
 * Replicas that elect a leader, which acts every few hundred milliseconds as long as it may. No leader acts any more once
 * another has: not after a partition, a pause of its process, a step of its clock, or a lost answer.
 */
export const leaderElection: Scenario = {
  name: 'leader election',
  async run(world, directory) {
    const server = await startApiServer(world, directory)
    const actions: Actions = { last: 0, terms: 0, lastAt: 0 }
    const replicas = ['one', 'two', 'three'].map((name) => createReplica(world, server, actions, name))
    repeatWhileStormy(world, [500, 40_000], () => disturbOne(world, server, replicas))
    await world.time.runUntil(stormMs, world.check)
    world.stormy = false
    const renewals = server.store.revision
    await world.time.runUntil(stormMs + calmMs, world.check)
    const leaders = replicas.filter(({ process, leadership }) => process.alive && leadership.leads())
    if (leaders.length !== 1) world.violate(`${leaders.length} leaders at the end`)
    if (world.time.now - actions.lastAt > 2000) world.violate('nothing acts as the leader at the end')
    const writes = server.store.revision - renewals
    // One write per quarter of the duration, and a few for an election.
    if (writes > calmMs / (durationMs / 4) + 10) world.violate(`${writes} writes of the Lease in ${calmMs / 1000} s`)
    world.check()
  },
}

function createReplica(world: World, server: SimulatedApiServer, actions: Actions, name: string): Replica {
  const replica = { name } as Replica
  start(world, server, actions, replica)
  return replica
}

function start(world: World, server: SimulatedApiServer, actions: Actions, replica: Replica): void {
  const { name } = replica
  const process = createProcess(world, name, { crashChance: 0.001, clockDrift: 0.001 })
  const network = connectToApiServer(world, server, process)
  const { clock } = process
  const kube = createKubeClient(
    { server: serverUrl, namespace: 'default' },
    { transport: network.transport, clock, random: world.random.next },
  )
  const leadership = lead({
    kube,
    log: world.logOf(name),
    lease: { namespace: 'default', name: 'lease' },
    holder: `${name}-${world.time.now}`,
    durationMs,
    clock,
    work: () => act(world, { process, name, leads: () => leadership.leads() }, actions),
    // The programs end then, and are started again.
    onLost() {
      world.count('leadership lost')
      clock.after(10, () => process.kill('lost the lease'))
    },
  })
  Object.assign(replica, { process, network, leadership })
  process.onKill(() => {
    world.time.after(world.random.between(100, 30_000), () => start(world, server, actions, replica))
  })
}

interface Actor extends Pick<Replica, 'process' | 'name'> {
  leads(): boolean
}

/** What a leader does: it acts repeatedly while it leads, until it is stopped. */
function act(world: World, { process, name, leads }: Actor, actions: Actions) {
  const term = ++actions.terms
  world.note(`${name} begins term ${term}`)
  let stopped = false
  const tick = () => {
    if (stopped) return
    if (leads()) {
      if (term < actions.last) world.violate(`${name} acts in term ${term} after term ${actions.last} has acted`)
      actions.last = term
      actions.lastAt = world.time.now
    }
    process.clock.after(world.random.between(200, 1500), tick)
  }
  process.clock.after(1, tick)
  return {
    async stop() {
      stopped = true
    },
  }
}

function disturbOne(world: World, server: SimulatedApiServer, replicas: Replica[]): void {
  const { random } = world
  const replica = random.pick(replicas)
  const { process, network, leadership } = replica
  if (!process.alive) return
  const disturbances = [
    () => network.partition(random.between(1000, 60_000)),
    () => process.pause(random.between(100, 40_000)),
    () => process.stepWallClock(random.between(-1, 1) * 365 * 24 * 3_600_000),
    () => process.kill('killed'),
    () => void leadership.stop().then(() => process.kill('stopped')),
    () => labelLease(server),
  ]
  random.pick(disturbances)()
}

/** What an administrator may do: it does not end the leadership, but causes a conflict for the leader. */
function labelLease({ store }: SimulatedApiServer): void {
  const key = 'leases.coordination.k8s.io'
  const lease = store.get(key, 'default', 'lease')
  if (lease === undefined) return
  const { metadata } = lease
  store.put(key, { ...lease, metadata: { ...metadata, labels: { version: metadata.resourceVersion ?? '' } } })
}
