import { type ControllerWorld, type RunningController, startController } from '#daemon'
import type { SyncProgramConfig } from './config.ts'
import { startSync } from './start-sync.ts'
import { createSyncMetrics } from './sync-metrics.ts'

/** The controller of SecretSyncs. */
export function startSyncDaemon(config: SyncProgramConfig, world: ControllerWorld): Promise<RunningController> {
  const metrics = createSyncMetrics()
  return startController(config, world, {
    name: 'sync',
    metricsText: metrics.text,
    start: (kube) => startSync(config, { kube, metrics, log: world.log }),
  })
}
