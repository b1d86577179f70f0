import { type ControllerWorld, type RunningController, startController } from '#daemon'
import type { Running } from '#lib'
import type { OperatorConfig } from './config.ts'
import { createOperatorMetrics } from './operator-metrics.ts'
import { startRestart } from './restart/start-restart.ts'

/** The operator, with the parts that are on. */
export function startOperatorDaemon(config: OperatorConfig, world: ControllerWorld): Promise<RunningController> {
  const { restart } = config
  const { log } = world
  const metrics = createOperatorMetrics()
  return startController(config, world, {
    name: 'operator',
    metricsText: metrics.text,
    start(kube): Running {
      const parts = restart === undefined ? [] : [startRestart(restart, { kube, metrics, log })]
      return {
        async stop() {
          await Promise.all(parts.map((part) => part.stop()))
        },
      }
    },
  })
}
