import type { AzureService } from '#azure/rest'
import { createEventRecorder, type KubeClient, lead } from '#kubernetes/client'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import type { ListenAddress } from '#lib/flags'
import { serveMetrics, serveStatus } from '#lib/http'
import { healthRoutes } from '../health.ts'
import { createAssignments } from './assignments.ts'
import type { CloudConfig } from './cloud-config.ts'
import { followCluster } from './cluster-view.ts'
import { createMicMetrics, type MicMetrics } from './mic-metrics.ts'
import { createNodes } from './nodes.ts'
import { runCycles } from './run-cycles.ts'
import { reconcile, type SyncOptions, sync } from './sync.ts'
import { createMachineUpdater } from './update-machine.ts'

export interface MicConfig {
  healthAddress: ListenAddress
  metricsAddress: ListenAddress
  lease: { namespace: string; name: string }
  leaseDurationMs: number
  /** Name of this replica, unique among all of them. */
  instance: string
  /** Identities only for pods of their own namespace. */
  forceNamespaced: boolean
  /** Client ids of identities that are never removed from machines. */
  immutableClientIds: readonly string[]
  /** Concurrent writes to the API server for one machine. */
  createDeleteBatch: number
  syncRetryMs: number
  reconcileMs: number
  /** Number of retries of an update without the identities that Azure refused, and the wait before each. */
  updateMaxRetry: number
  updateRetryMs: number
}

export interface MicWorld {
  kube: KubeClient
  resourceManager: AzureService
  /** The current one: the file may change. */
  cloudConfig: () => CloudConfig
  log: Log
  /** Called when another replica may lead now: this process must end. */
  onLost(): void
  clock?: Clock | undefined
}

export interface RunningMic extends Running {
  healthPort: number
  metricsPort: number
}

/** The controller. Replicas hold nothing but their bid for the lease; the leader follows the cluster and assigns identities. */
export async function startMic(config: MicConfig, world: MicWorld): Promise<RunningMic> {
  const { kube, log, clock = systemClock, onLost } = world
  await using started = new AsyncDisposableStack()
  const metrics = createMicMetrics()
  const leadership = lead({
    kube,
    log,
    clock,
    lease: config.lease,
    holder: config.instance,
    durationMs: config.leaseDurationMs,
    work() {
      metrics.elected()
      return assignIdentities(config, { ...world, metrics, clock })
    },
    onLost,
  })
  started.defer(leadership.stop)
  const health = await serveStatus(config.healthAddress, healthRoutes(leadership.leads))
  started.defer(health.stop)
  const status = await serveMetrics(config.metricsAddress, metrics.text)
  started.defer(status.stop)
  const running = started.move()
  return { healthPort: health.port, metricsPort: status.port, stop: () => running.disposeAsync() }
}

export type LeaderWorld = MicWorld & { metrics: MicMetrics; clock: Clock }

/** The work of the leader. */
export function assignIdentities(config: MicConfig, world: LeaderWorld): Running {
  const { kube, log, clock, metrics } = world
  let synced = false
  let wake = () => {}
  const view = followCluster({ kube, log, clock, onChange: () => wake() })
  const options = syncOptions(config, world, view)
  const cycles = runCycles({
    // An incomplete copy of the cluster would remove identities of pods that are not listed yet.
    sync: async () => (synced ? sync(options) : { worked: false, complete: true }),
    reconcile: () => reconcile(options),
    syncRetryMs: config.syncRetryMs,
    reconcileMs: config.reconcileMs,
    metrics,
    log,
    clock,
  })
  wake = cycles.wake
  view.synced.then(
    () => {
      synced = true
      wake()
    },
    () => undefined,
  )
  return {
    async stop() {
      await view.stop()
      await cycles.stop()
    },
  }
}

function syncOptions(config: MicConfig, world: LeaderWorld, view: SyncOptions['view']): SyncOptions {
  const { kube, log, clock, metrics, resourceManager, cloudConfig } = world
  const events = createEventRecorder({ client: kube, log, component: 'aadpodidentity.k8s.io', clock })
  const { updateMaxRetry: maxRetry, updateRetryMs: retryMs } = config
  const immutable = new Set(config.immutableClientIds.map((id) => id.toLowerCase()))
  return {
    view,
    nodes: createNodes({ kube, place: cloudConfig, clock, log }),
    machines: createMachineUpdater({ resourceManager, metrics, clock, maxRetry, retryMs }),
    assignments: createAssignments({ kube, view, events, metrics, log }),
    events,
    log,
    forceNamespaced: config.forceNamespaced,
    isImmutable({ spec }) {
      const clientId = spec.azureIdentityRef.spec.clientID?.toLowerCase() ?? ''
      return immutable.has(clientId) || clientId === (cloudConfig().clusterIdentity?.toLowerCase() ?? '-')
    },
    batch: config.createDeleteBatch,
  }
}
