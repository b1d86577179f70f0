import { createKubeClient, type KubeClient, type Leadership, lead, type Transport } from '#kubernetes/client'
import type { Clock, Log, Running } from '#lib'
import { connectToApiServer, type Network } from './network.ts'
import type { SimulatedCluster } from './scenario.ts'
import { serverUrl } from './simulated-api-server.ts'
import { createProcess, type SimulatedProcess } from './simulated-process.ts'

/** A replica of a controller: it works while it holds the Lease, and starts again after it has died. */
export interface LeadingReplica {
  name: string
  process: SimulatedProcess
  network: Network
  leadership: Leadership
}

/** What the work of a replica runs on. */
export interface LeadingProgram {
  name: string
  kube: KubeClient
  log: Log
  clock: Clock
  process: SimulatedProcess
  leads(): boolean
  onLost(): void
}

interface LeadingOptions {
  /** Default: 2. */
  replicas?: number
  /** Of the Lease, in milliseconds. Default: that of lead(). */
  durationMs?: number
  /** Time until a dead one starts again, in milliseconds: at least, at most. */
  restartMs: readonly [number, number]
  /** Around every call of the API server. Default: nothing. */
  wrap?: (transport: Transport) => Transport
  work(program: LeadingProgram): Running
}

/** Starts the replicas `PROGRAM-1`, `PROGRAM-2`, … of a program, whose Lease has its name. */
export function startReplicas(cluster: SimulatedCluster, program: string, options: LeadingOptions): LeadingReplica[] {
  return Array.from({ length: options.replicas ?? 2 }, (_, index) => {
    const replica = { name: `${program}-${index + 1}` } as LeadingReplica
    start(cluster, program, replica, options)
    return replica
  })
}

function start(
  { world, server }: SimulatedCluster,
  program: string,
  replica: LeadingReplica,
  options: LeadingOptions,
): void {
  const { durationMs, restartMs, wrap = (transport) => transport, work } = options
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
  const leadership = lead({
    kube,
    log,
    clock,
    durationMs,
    lease: { namespace: 'default', name: program },
    holder: `${name}-${world.time.now}`,
    work: () => work({ name, kube, log, clock, process, leads: () => leadership.leads(), onLost }),
    onLost,
  })
  Object.assign(replica, { process, network, leadership })
  process.onKill(() => {
    world.time.after(world.random.between(...restartMs), () => start({ world, server }, program, replica, options))
  })
}
