import { createEventRecorder, type KubeClient } from '#kubernetes/client'
import { IdentityService, NodeService } from '#kubernetes/csi'
import { createUnary, startGrpcServer } from '#kubernetes/grpc'
import { createProviderClient } from '#kubernetes/provider-protocol'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { serveMetrics, serveStatus } from '#lib/http'
import type { DriverConfig } from './config.ts'
import { createClassReader } from './content/mount-class.ts'
import { createDriverMetrics } from './driver-metrics.ts'
import { createHealth, startProviderHealthCheck } from './health.ts'
import type { Mounter } from './mount/mounter.ts'
import { recoverVolumes } from './mount/recover-volumes.ts'
import { createVolumes } from './mount/volumes.ts'
import type { Parts } from './parts.ts'
import { createPodStatuses } from './pod-status.ts'
import { startRegistration } from './registration.ts'
import { watchClasses } from './rotation/class-watch.ts'
import { startRotation } from './rotation/rotation.ts'
import { addRotationGauges } from './rotation/rotation-gauges.ts'
import { createRotationSchedule } from './rotation/rotation-schedule.ts'
import { createIdentityService } from './rpc/identity-service.ts'
import { createNodePublishVolume } from './rpc/node-publish-volume.ts'
import { createNodeService } from './rpc/node-service.ts'
import { createNodeUnpublishVolume } from './rpc/node-unpublish-volume.ts'
import { createOperations } from './rpc/operations.ts'
import { startSecretSync } from './secrets/secret-sync.ts'

/** How often Secrets are compared with their volumes at least, in milliseconds. */
const defaultResyncMs = 300_000

/** The world of a driver; everything else it makes itself. */
export interface DriverWorld {
  kube: KubeClient
  mounter: Mounter
  log: Log
  /** Version of the build, told to kubelet. */
  version: string
  clock?: Clock
  /** Place of the rotation tick in its interval, 0 to 1. Default: random. */
  tickOffset?: number
}

export interface RunningDriver extends Running {
  /** Port of the CSI endpoint when that is TCP, else 0. */
  csiPort: number
  /** Undefined when switched off. */
  metricsPort: number | undefined
  healthPort: number | undefined
}

/** Starts the driver: when this resolves it answers on its endpoint. `stop` lets calls under way end first. */
export async function startDriver(config: DriverConfig, world: DriverWorld): Promise<RunningDriver> {
  const { kube, mounter, log, version, clock = systemClock, tickOffset = Math.random() } = world
  const { driverName, nodeId } = config
  const providers = createProviderClient({
    directories: config.providerDirectories,
    maxReceiveBytes: config.maxReceiveBytes,
  })
  const metrics = createDriverMetrics({ osType: process.platform === 'win32' ? 'windows' : 'linux' })
  const volumes = createVolumes()
  if (config.rotation) addRotationGauges(metrics.registry, volumes)
  const readClass = createClassReader(kube)
  const classWatch = config.rotation ? watchClasses({ kube, volumes, readClass, clock, log }) : undefined
  const parts: Parts = {
    driverName,
    mounter,
    readClass,
    knownClass: classWatch?.read ?? readClass,
    providers,
    statuses: createPodStatuses({ kube, nodeId, rotation: config.rotation }),
    volumes,
    operations: createOperations(),
    events: createEventRecorder({ client: kube, log, component: 'secrets-store-csi-driver', host: nodeId, clock }),
    metrics,
    defaultIntervalMs: config.rotationIntervalMs,
    volumeAttributesWin: config.volumeAttributesWin,
    clock,
    log,
  }
  const stopping = new AbortController()
  const recovered = recoverVolumes(parts, stopping.signal)
  const schedule = createRotationSchedule(tickOffset)
  const resyncMs = config.rotation ? Math.min(config.rotationIntervalMs, defaultResyncMs) : defaultResyncMs
  const secrets = startSecretSync({ kube, parts, resyncMs })
  const rotation = config.rotation ? startRotation({ parts, schedule, afterChange: secrets.soon }) : undefined
  const unary = createUnary({ log })
  const nodeService = createNodeService({
    unary,
    parts,
    nodeId,
    nodePublishVolume: createNodePublishVolume({
      parts,
      schedule,
      rotation,
      secrets,
      volumeSizeBytes: config.volumeSizeBytes,
      recovered,
    }),
    nodeUnpublishVolume: createNodeUnpublishVolume(parts),
  })

  // Stopped in the reverse order: whoever calls goes before whoever is called.
  const started: Running[] = [{ stop: async () => providers.stop() }]
  for (const running of [classWatch, secrets, rotation]) if (running !== undefined) started.push(running)
  async function begin<T extends Running>(starting: Promise<T>): Promise<T> {
    const running = await starting
    started.push(running)
    return running
  }
  async function stop(): Promise<void> {
    stopping.abort(new Error('the driver stops'))
    for (let running = started.pop(); running !== undefined; running = started.pop()) await running.stop()
    await recovered
  }

  try {
    const csi = await begin(
      startGrpcServer(
        config.endpoint,
        (server) => {
          server.addService(IdentityService, createIdentityService({ driverName, version, unary }))
          server.addService(NodeService, nodeService)
        },
        { log },
      ),
    )
    const registration =
      config.registration === undefined
        ? undefined
        : startRegistration({ ...config.registration, driverName, clock, log })
    if (registration !== undefined) started.push(registration)
    const endpoint =
      config.endpoint.kind === 'unix' ? config.endpoint : { ...config.endpoint, address: `localhost:${csi.port}` }
    const health = createHealth({
      endpoint,
      registration,
      providers,
      providerDirectories: config.providerDirectories,
      clock,
    })
    started.push({ stop: async () => health.stop() })
    if (config.providerHealthCheckMs !== undefined) {
      const directories = config.providerDirectories
      started.push(
        startProviderHealthCheck({ providers, directories, intervalMs: config.providerHealthCheckMs, clock, log }),
      )
    }
    const { healthAddress, metricsAddress } = config
    const healthRoutes = { '/healthz': health.live, '/readyz': health.ready }
    const healthPort = healthAddress && (await begin(serveStatus(healthAddress, healthRoutes))).port
    const metricsPort = metricsAddress && (await begin(serveMetrics(metricsAddress, metrics.registry.text))).port
    log.info({ endpoint: config.endpoint, rotation: config.rotation, version }, 'driver started')
    return { csiPort: csi.port, healthPort, metricsPort, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
