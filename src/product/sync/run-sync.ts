import { buildVersion, clusterConfig } from '#daemon'
import { createKubeClient, lead } from '#kubernetes/client'
import type { Log, Running } from '#lib'
import type { Environment } from '#lib/flags'
import { serveMetrics, serveStatus } from '#lib/http'
import type { SyncProgramConfig } from './config.ts'
import { startSync } from './start-sync.ts'
import { createSyncMetrics } from './sync-metrics.ts'

export interface SyncDaemonWorld {
  env: Environment
  log: Log
  /** Called when another replica may lead now: this process must end. */
  onLost(): void
}

export interface RunningSync extends Running {
  metricsPort: number | undefined
  healthPort: number | undefined
}

/** The controller in the cluster that the command line, KUBECONFIG or the pod names. */
export async function startSyncDaemon(
  config: SyncProgramConfig,
  { env, log, onLost }: SyncDaemonWorld,
): Promise<RunningSync> {
  await using started = new AsyncDisposableStack()
  const kube = createKubeClient(clusterConfig(config.kubeconfig, env), { userAgent: `keymount/sync/${buildVersion}` })
  started.defer(kube.close)
  const metrics = createSyncMetrics()
  const { healthAddress, metricsAddress, lease } = config
  const ok = () => ({ body: 'ok\n' })
  const health = healthAddress && (await serveStatus(healthAddress, { '/healthz': ok, '/readyz': ok }))
  if (health !== undefined) started.defer(health.stop)
  const metricsServer = metricsAddress && (await serveMetrics(metricsAddress, metrics.text))
  if (metricsServer !== undefined) started.defer(metricsServer.stop)
  const work = () => startSync(config, { kube, metrics, log })
  const controller = lease === undefined ? work() : lead({ kube, log, lease, holder: lease.holder, work, onLost })
  started.defer(() => controller.stop())
  log.info({ healthPort: health?.port, metricsPort: metricsServer?.port }, 'ready')
  const running = started.move()
  return { healthPort: health?.port, metricsPort: metricsServer?.port, stop: () => running.disposeAsync() }
}
