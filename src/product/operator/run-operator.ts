import { buildVersion, clusterConfig } from '#daemon'
import { createKubeClient, type KubeClient, lead } from '#kubernetes/client'
import type { Log, Running } from '#lib'
import type { Environment } from '#lib/flags'
import { serveMetrics, serveStatus } from '#lib/http'
import type { OperatorConfig } from './config.ts'
import { createOperatorMetrics, type OperatorMetrics } from './operator-metrics.ts'
import { startRestart } from './restart/start-restart.ts'

export interface OperatorDaemonWorld {
  env: Environment
  log: Log
  /** Called when another replica may lead now: this process must end. */
  onLost(): void
}

export interface RunningOperator extends Running {
  metricsPort: number | undefined
  healthPort: number | undefined
}

/** The operator in the cluster that the command line, KUBECONFIG or the pod names. */
export async function startOperatorDaemon(
  config: OperatorConfig,
  { env, log, onLost }: OperatorDaemonWorld,
): Promise<RunningOperator> {
  await using started = new AsyncDisposableStack()
  const kube = createKubeClient(clusterConfig(config.kubeconfig, env), {
    userAgent: `keymount/operator/${buildVersion}`,
  })
  started.defer(kube.close)
  const metrics = createOperatorMetrics()
  const { healthAddress, metricsAddress, lease } = config
  const ok = () => ({ body: 'ok\n' })
  const health = healthAddress && (await serveStatus(healthAddress, { '/healthz': ok, '/readyz': ok }))
  if (health !== undefined) started.defer(health.stop)
  const metricsServer = metricsAddress && (await serveMetrics(metricsAddress, metrics.text))
  if (metricsServer !== undefined) started.defer(metricsServer.stop)
  const work = () => startParts(config, { kube, metrics, log })
  const operator = lease === undefined ? work() : lead({ kube, log, lease, holder: lease.holder, work, onLost })
  started.defer(() => operator.stop())
  log.info({ healthPort: health?.port, metricsPort: metricsServer?.port }, 'ready')
  const running = started.move()
  return { healthPort: health?.port, metricsPort: metricsServer?.port, stop: () => running.disposeAsync() }
}

/** The parts that are on. */
function startParts(
  { restart }: OperatorConfig,
  world: { kube: KubeClient; metrics: OperatorMetrics; log: Log },
): Running {
  const parts = restart === undefined ? [] : [startRestart(restart, world)]
  return {
    async stop() {
      await Promise.all(parts.map((part) => part.stop()))
    },
  }
}
