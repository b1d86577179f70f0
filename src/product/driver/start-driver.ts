import { createEventRecorder, type KubeClient } from '#kubernetes/client'
import { ControllerService, IdentityService, NodeService } from '#kubernetes/csi'
import { createUnary, type GrpcServer, startGrpcServer } from '#kubernetes/grpc'
import { createProviderClient, type ProviderClient } from '#kubernetes/provider-protocol'
import { createTlsValues } from '#kubernetes/secret-data'
import { type NodeSockets, unixSockets } from '#kubernetes/sockets'
import { type Clock, type Log, type Running, systemClock, type Tracer } from '#lib'
import { createFairGate, createSingleFlight } from '#lib/async'
import { serveMetrics, serveStatus } from '#lib/http'
import { createWorkerPool, type TaskRunner } from '#lib/worker'
import type { DriverConfig } from './config.ts'
import { defaultStatusIntervalMs, followCsiDriver } from './csi-driver-object.ts'
import { driverLimits } from './driver-limits.ts'
import { createDriverMetrics } from './driver-metrics.ts'
import { createHealth, startProviderHealthCheck } from './health.ts'
import { createMemoryBudget } from './mount/memory-budget.ts'
import type { Mounter } from './mount/mounter.ts'
import { recoverVolumes } from './mount/recover-volumes.ts'
import { createVolumes } from './mount/volumes.ts'
import type { Node } from './node.ts'
import { type Registration, startRegistration } from './registration.ts'
import { watchClasses } from './rotation/class-watch.ts'
import { noConfirmedEvents } from './rotation/confirmed-events.ts'
import { startRotation } from './rotation/rotation.ts'
import { createRotationSchedule } from './rotation/rotation-schedule.ts'
import { createControllerService } from './rpc/controller-service.ts'
import { createIdentityService } from './rpc/identity-service.ts'
import { createNodeService } from './rpc/node-service.ts'
import { createOperations } from './rpc/operations.ts'
import { startSecretSync } from './secrets/secret-sync.ts'
import { createSecretSyncState } from './secrets/secret-sync-state.ts'
import { startStatusRetries } from './status-retries.ts'
import { addVolumeGauges } from './volume-gauges.ts'

/** What a driver gets from outside; everything else it makes itself. */
export interface DriverWorld {
  kube: KubeClient
  mounter: Mounter
  log: Log
  /** Version of the build, reported to kubelet. */
  version: string
  clock?: Clock | undefined
  /** Of mounts. Default: none. */
  tracer?: Tracer | undefined
  /** Default: those of Node. */
  sockets?: NodeSockets | undefined
  /** Default: those that have a socket in the directories of the configuration. */
  providers?: ProviderClient | undefined
  /** Place of the rotation tick in its interval, 0 to 1. Default: random. */
  tickOffset?: number | undefined
  /** Where certificates are parsed. Default: worker threads. */
  tasks?: TaskRunner | undefined
}

export interface RunningDriver extends Running {
  /** Port of the CSI endpoint when that is TCP, else 0. */
  csiPort: number
  /** Undefined when switched off. */
  metricsPort: number | undefined
  healthPort: number | undefined
}

/** Starts the driver: when this resolves it answers on its endpoint. `stop` lets calls in progress end first. */
export async function startDriver(config: DriverConfig, world: DriverWorld): Promise<RunningDriver> {
  await using started = new AsyncDisposableStack()
  // Stopped in the reverse order: callers before those that they call.
  const node = createNode(config, world, started)
  const stopping = new AbortController()
  startBackgroundWork(node, stopping.signal, started)
  const csi = await serveCsi(node, world)
  started.defer(csi.stop)
  const registration = startRegistering(node, started)
  const { healthAddress, metricsAddress } = config
  const routes = createRoutes(node, csi, registration, started)
  const health = healthAddress && (await serveStatus(healthAddress, routes))
  if (health) started.defer(health.stop)
  const metrics = metricsAddress && (await serveMetrics(metricsAddress, node.metrics.registry.text))
  if (metrics) started.defer(metrics.stop)
  node.log.info({ endpoint: config.endpoint, rotation: config.rotation, version: world.version }, 'driver started')
  // First of all, so that no call waits for the recovery of volumes.
  started.defer(() => stopping.abort(new Error('the driver stops')))
  const running = started.move()
  return {
    csiPort: csi.port,
    healthPort: health?.port,
    metricsPort: metrics?.port,
    stop: () => running.disposeAsync(),
  }
}

export function createNode(config: DriverConfig, world: DriverWorld, started: AsyncDisposableStack): Node {
  const { kube, mounter, sockets = unixSockets, log, clock = systemClock, tickOffset = Math.random() } = world
  const { maxReceiveBytes, providerDirectories, nodeId } = config
  const directories = providerDirectories
  const providers =
    world.providers ?? createProviderClient({ directories, sockets, maxReceiveBytes, tracer: world.tracer })
  started.defer(providers.stop)
  // Threads start with the first TLS Secret.
  const tasks = world.tasks ?? createWorkerPool({ threads: 2 })
  started.defer(tasks.stop)
  return {
    config,
    kube,
    mounter,
    sockets,
    providers,
    events: createEventRecorder({ client: kube, log, component: 'secrets-store-csi-driver', host: nodeId, clock }),
    metrics: createDriverMetrics({ osType: process.platform === 'win32' ? 'windows' : 'linux' }),
    clock,
    log,
    volumes: createVolumes(),
    memory: createMemoryBudget(config.volumeMemoryBytes),
    largeAnswers: createFairGate({ total: driverLimits.largeAnswers.value, perOwner: 1 }),
    classReads: createFairGate({ total: driverLimits.classReads.value }),
    fallbackReads: createFairGate({ total: driverLimits.fallbackReads.value, perOwner: 1 }),
    classLists: createSingleFlight(),
    operations: createOperations(),
    schedule: createRotationSchedule(tickOffset),
    watchedClasses: new Map(),
    secretSync: createSecretSyncState(),
    tls: createTlsValues(tasks, clock),
    statusIntervalMs: defaultStatusIntervalMs,
    confirmed: noConfirmedEvents(),
    heldTokens: new Map(),
    signIns: new Map(),
    recovered: Promise.resolve(),
  }
}

export function startBackgroundWork(node: Node, stopping: AbortSignal, started: AsyncDisposableStack): void {
  const { config } = node
  addVolumeGauges(node)
  node.recovered = recoverVolumes(node, stopping)
  started.defer(() => node.recovered)
  if (config.rotation) started.defer(watchClasses(node).stop)
  started.defer(startSecretSync(node).stop)
  started.defer(startStatusRetries(node).stop)
  if (config.rotation) started.defer(followCsiDriver(node).stop)
  started.defer(() => node.confirmed.cancel())
  started.defer(startRotation(node).stop)
}

function serveCsi(node: Node, { version, tracer }: DriverWorld): Promise<GrpcServer> {
  const { config, sockets, log } = node
  const unary = createUnary({ log, tracer })
  const { driverName } = config
  return startGrpcServer(
    config.endpoint,
    (server) => {
      server.addService(IdentityService, createIdentityService({ driverName, version, unary }))
      server.addService(ControllerService, createControllerService(unary))
      server.addService(NodeService, createNodeService(node, unary))
    },
    { log, sockets },
  )
}

function startRegistering(
  { config, sockets, clock, log }: Node,
  started: AsyncDisposableStack,
): Registration | undefined {
  if (config.registration === undefined) return undefined
  const registration = startRegistration({
    ...config.registration,
    driverName: config.driverName,
    sockets,
    clock,
    log,
  })
  started.defer(registration.stop)
  return registration
}

function createRoutes(
  { config, providers, sockets, clock, log }: Node,
  csi: GrpcServer,
  registration: Registration | undefined,
  started: AsyncDisposableStack,
) {
  const { providerDirectories: directories, providerHealthCheckMs: intervalMs } = config
  const endpoint =
    config.endpoint.kind === 'unix' ? config.endpoint : { ...config.endpoint, address: `localhost:${csi.port}` }
  const health = createHealth({
    endpoint,
    sockets,
    registration,
    providers,
    providerDirectories: directories,
    clock,
  })
  started.defer(health.stop)
  if (intervalMs !== undefined)
    started.defer(startProviderHealthCheck({ providers, directories, sockets, intervalMs, clock, log }).stop)
  return { '/healthz': health.live, '/readyz': health.ready }
}
