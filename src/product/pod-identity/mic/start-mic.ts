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
  /** Name of this replica among its likes. */
  instance: string
  /** Identities only for pods of their own namespace. */
  forceNamespaced: boolean
  /** Client ids of identities that machines keep whatever happens. */
  immutableClientIds: readonly string[]
  /** Writes to the API server in flight for one machine. */
  createDeleteBatch: number
  syncRetryMs: number
  reconcileMs: number
  /** How often, and after how long, an update is tried again without the identities that Azure refused. */
  updateMaxRetry: number
  updateRetryMs: number
}

export interface MicWorld {
  kube: KubeClient
  resourceManager: AzureService
  /** As of now: the file may be written anew. */
  cloudConfig: () => CloudConfig
  log: Log
  /** Somebody else may lead now: the process has to end. */
  onLost(): void
  clock?: Clock
}

export interface RunningMic extends Running {
  healthPort: number
  metricsPort: number
}

/** The controller: replicas wait with nothing but their lease; the leader follows the cluster and assigns identities. */
export async function startMic(config: MicConfig, world: MicWorld): Promise<RunningMic> {
  const { kube, log, clock = systemClock, onLost } = world
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
  const started: Running[] = [leadership]
  const stop = async () => {
    for (const running of started) await running.stop()
  }
  try {
    const health = await serveStatus(config.healthAddress, healthRoutes(leadership.leads))
    started.push(health)
    const status = await serveMetrics(config.metricsAddress, metrics.text)
    started.push(status)
    return { healthPort: health.port, metricsPort: status.port, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function assignIdentities(config: MicConfig, world: MicWorld & { metrics: MicMetrics; clock: Clock }): Running {
  const { kube, log, clock, metrics, resourceManager, cloudConfig } = world
  let synced = false
  let wake = () => {}
  const view = followCluster({ kube, log, onChange: () => wake() })
  const events = createEventRecorder({ client: kube, log, component: 'aadpodidentity.k8s.io', clock })
  const { updateMaxRetry: maxRetry, updateRetryMs: retryMs } = config
  const immutable = new Set(config.immutableClientIds.map((id) => id.toLowerCase()))
  const options: SyncOptions = {
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
  const cycles = runCycles({
    // Half a picture would take identities from pods that are not listed yet.
    sync: async () => (synced ? sync(options) : { worked: false, complete: true }),
    reconcile: () => reconcile(options),
    syncRetryMs: config.syncRetryMs,
    reconcileMs: config.reconcileMs,
    metrics,
    log,
    clock,
  })
  wake = cycles.wake
  void view.synced.then(() => {
    synced = true
    wake()
  })
  return {
    async stop() {
      await view.stop()
      await cycles.stop()
    },
  }
}
