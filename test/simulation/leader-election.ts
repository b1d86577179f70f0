import type { Running } from '#lib'
import { type LeadingProgram, type LeadingReplica, startReplicas } from './leading-replicas.ts'
import { repeatWhileStormy } from './repeat.ts'
import { clusterScenario } from './scenario.ts'
import type { SimulatedApiServer } from './simulated-api-server.ts'
import { runStormThenCalm } from './storm.ts'
import type { World } from './world.ts'

const durationMs = 15_000
const stormMs = 10 * 60_000
/** Long enough for a new election, whatever the storm left. */
const calmMs = 3 * 60_000

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
export const leaderElection = clusterScenario('leader election', async ({ world, server }) => {
  const actions: Actions = { last: 0, terms: 0, lastAt: 0 }
  const replicas = startReplicas({ world, server }, 'candidate', {
    replicas: 3,
    durationMs,
    restartMs: [100, 30_000],
    work: (program) => act(world, program, actions),
  })
  repeatWhileStormy(world, [500, 40_000], () => disturbOne(world, server, replicas))
  let renewals = 0
  const onCalm = () => {
    renewals = server.store.revision
  }
  await runStormThenCalm(world, { stormMs, calmMs, onCalm })
  const leaders = replicas.filter(({ process, leadership }) => process.alive && leadership.leads())
  if (leaders.length !== 1) world.violate(`${leaders.length} leaders at the end`)
  if (world.time.now - actions.lastAt > 2000) world.violate('nothing acts as the leader at the end')
  const writes = server.store.revision - renewals
  // One write per quarter of the duration, and a few for an election.
  if (writes > calmMs / (durationMs / 4) + 10) world.violate(`${writes} writes of the Lease in ${calmMs / 1000} s`)
})

/** What a leader does: it acts repeatedly while it leads, until it is stopped. */
function act(world: World, { process, name, leads }: LeadingProgram, actions: Actions): Running {
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

function disturbOne(world: World, server: SimulatedApiServer, replicas: readonly LeadingReplica[]): void {
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
  const lease = store.get(key, 'default', 'candidate')
  if (lease === undefined) return
  const { metadata } = lease
  store.put(key, { ...lease, metadata: { ...metadata, labels: { version: metadata.resourceVersion ?? '' } } })
}
