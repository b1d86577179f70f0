import { type ControllerWorld, type RunningController, startController } from '#daemon'
import type { KubeClient } from '#kubernetes/client'
import { type Running, systemClock } from '#lib'
import { createWorkerPool } from '#lib/worker'
import type { OperatorConfig } from './config.ts'
import { createSources } from './events/create-sources.ts'
import type { EventsConfig } from './events/events-config.ts'
import { createEventsMetrics, type EventsMetrics } from './events/events-metrics.ts'
import { fewestSpread, spreadOf } from './events/spread-seconds.ts'
import { startEvents } from './events/start-events.ts'
import { createOperatorMetrics, type OperatorMetrics } from './operator-metrics.ts'
import { startRestart } from './restart/start-restart.ts'
import { statusIntervalWriter } from './status-interval.ts'
import { countVolumes, type VolumeCount } from './volume-count.ts'

/** The operator, with the parts that are on. */
export function startOperatorDaemon(config: OperatorConfig, world: ControllerWorld): Promise<RunningController> {
  const metrics = createOperatorMetrics()
  const ofEvents = createEventsMetrics()
  return startController(config, world, {
    name: 'operator',
    metricsText: () => `${metrics.text()}${ofEvents.text()}`,
    start: (kube) => startParts({ config, world, kube, metrics, ofEvents }),
  })
}

interface PartsWorld {
  config: OperatorConfig
  world: ControllerWorld
  kube: KubeClient
  metrics: OperatorMetrics
  ofEvents: EventsMetrics
}

function startParts(parts: PartsWorld): Running {
  const { config, world, kube, metrics } = parts
  const { restart, events, statusIntervalOf } = config
  const { log } = world
  const running: Running[] = []
  if (restart !== undefined) running.push(startRestart(restart, { kube, metrics, log }))
  if (events !== undefined || statusIntervalOf !== undefined) {
    const onCount =
      statusIntervalOf === undefined ? undefined : statusIntervalWriter({ kube, driverName: statusIntervalOf, log })
    const fewestNodes = events === undefined ? undefined : fewestSpread(events.signInsPerSecond)
    const count = countVolumes({ kube, clock: systemClock, log, fewestNodes, onCount })
    running.push(count)
    if (events !== undefined) running.push(eventsPart(events, parts, count))
  }
  return {
    async stop() {
      await Promise.all(running.map((part) => part.stop()))
    },
  }
}

function eventsPart(
  events: EventsConfig,
  { config, world, kube, ofEvents: metrics }: PartsWorld,
  count: VolumeCount,
): Running {
  const { env, log } = world
  const sources = createSources(events, { env, log, metrics })
  const tasks = createWorkerPool({ threads: 1 })
  const running = startEvents({
    kube,
    metrics,
    log,
    tasks,
    sources: sources.list,
    namespaces: events.namespaces,
    pod: { apiVersion: 'v1', kind: 'Pod', ...config.pod },
    quiet:
      events.quietIntervalMs === undefined
        ? undefined
        : { driverName: config.driverName, intervalMs: events.quietIntervalMs },
    spreadOf: (namespace, className, objects) =>
      spreadOf({ nodes: count.nodesOf(namespace, className), objects }, events.signInsPerSecond),
  })
  return {
    async stop() {
      await running.stop()
      sources.close()
      await tasks.stop()
    },
  }
}
