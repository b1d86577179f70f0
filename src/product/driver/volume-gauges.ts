import { classKey } from './content/class-ref.ts'
import { classOf, type Volume } from './mount/volumes.ts'
import type { Node } from './node.ts'
import { quietIntervalOf } from './rotation/quiet-polling.ts'

/** What a scrape sees of the mounted volumes: their memory, stale ones and, with rotation, the state of each class. */
export function addVolumeGauges(node: Node): void {
  const { config, memory, metrics } = node
  const { beforeScrape, series } = metrics.registry
  beforeScrape(() => {
    series.volumeMemory.set(memory.used)
    series.volumeMemoryBudget.set(memory.limit)
    setStaleGauge(node)
    if (config.rotation) setRotationGauges(node)
  })
}

/** A class whose volumes are fresh has a 0 and not no series: alerts see the end of an outage. */
function setStaleGauge({ volumes, metrics }: Node): void {
  const { staleVolumes } = metrics.registry.series
  staleVolumes.clear()
  for (const [key, some] of Map.groupBy(volumes.all(), (volume) => classKey(classOf(volume)))) {
    const [namespace = '', secretClass = ''] = key.split('/')
    staleVolumes.set(some.filter(({ stale }) => stale !== undefined).length, { namespace, class: secretClass })
  }
}

/**
 * Per class: whether any volume fails, and when all of them have been checked. Times are seconds since the epoch; a time that
 * is not known yet has no series.
 */
function setRotationGauges(node: Node): void {
  const { volumes, metrics, clock } = node
  const { mountedVolumes, failingVolumes, quietVolumes, lastCheck, lastChange, nextCheck } = metrics.registry.series
  const times: { gauge: typeof lastCheck; of(some: readonly Volume[]): number }[] = [
    { gauge: lastCheck, of: (some) => Math.min(...some.map(({ lastCheckAt }) => lastCheckAt)) },
    { gauge: lastChange, of: (some) => Math.max(...some.map(({ lastChangeAt }) => lastChangeAt)) },
    {
      gauge: nextCheck,
      of: (some) => clock.now() + Math.min(...some.map(({ nextCheckAt }) => nextCheckAt)) - clock.elapsed(),
    },
  ]
  for (const gauge of [mountedVolumes, failingVolumes, quietVolumes, ...times.map((each) => each.gauge)]) gauge.clear()
  const byClass = Map.groupBy(volumes.all(), (volume) => classKey(classOf(volume)))
  for (const [key, some] of byClass) {
    const [namespace = '', secretClass = ''] = key.split('/')
    const labels = { namespace, class: secretClass }
    mountedVolumes.set(some.length, labels)
    failingVolumes.set(some.filter(({ failure }) => failure !== undefined).length, labels)
    quietVolumes.set(some.filter((volume) => quietIntervalOf(node, volume) !== undefined).length, labels)
    for (const { gauge, of } of times) {
      const ms = of(some)
      if (ms > 0) gauge.set(Math.floor(ms / 1000), labels)
    }
  }
}
