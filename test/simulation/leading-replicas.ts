import { createKubeClient, type KubeClient, lead, type Transport } from '#kubernetes/client'
import type { Clock, Log, Running } from '#lib'
import { connectToApiServer, type Network } from './network.ts'
import { type SimulatedApiServer, serverUrl } from './simulated-api-server.ts'
import { createProcess, type SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

/** A replica of a controller: it works while it holds the Lease, and starts again after it has died. */
export interface LeadingReplica {
  name: string
  process: SimulatedProcess
  network: Network
}

/** What the work of a replica runs on. */
export interface LeadingProgram {
  name: string
  kube: KubeClient
  log: Log
  clock: Clock
  process: SimulatedProcess
  onLost(): void
}

interface LeadingOptions {
  names: readonly string[]
  lease: string
  /** Time until a dead one starts again, in milliseconds: at least, at most. */
  restartMs: readonly [number, number]
  /** Around every call of the API server. Default: nothing. */
  wrap?: (transport: Transport) => Transport
  work(program: LeadingProgram): Running
}

export function startReplicas(world: World, server: SimulatedApiServer, options: LeadingOptions): LeadingReplica[] {
  return options.names.map((name) => {
    const replica = { name } as LeadingReplica
    start(world, server, replica, options)
    return replica
  })
}

function start(world: World, server: SimulatedApiServer, replica: LeadingReplica, options: LeadingOptions): void {
  const { lease, restartMs, wrap = (transport) => transport, work } = options
  const { name } = replica
  const process = createProcess(world, name, { crashChance: 0.002, clockDrift: 0.001 })
  const network = connectToApiServer(world, server, process)
  const { clock } = process
  const kube = createKubeClient(
    { server: serverUrl, namespace: 'default' },
    { transport: wrap(network.transport), clock, random: world.random.next },
  )
  const log = world.logOf(name)
  const onLost = () => {
    world.count('leadership lost')
    clock.after(10, () => process.kill('lost the lease'))
  }
  lead({
    kube,
    log,
    clock,
    lease: { namespace: 'default', name: lease },
    holder: `${name}-${world.time.now}`,
    work: () => work({ name, kube, log, clock, process, onLost }),
    onLost,
  })
  Object.assign(replica, { process, network })
  process.onKill(() => {
    world.time.after(world.random.between(...restartMs), () => start(world, server, replica, options))
  })
}
