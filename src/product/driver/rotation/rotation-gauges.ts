import type { DriverMetrics } from '../driver-metrics.ts'
import type { Volume, Volumes } from '../mount/volumes.ts'

/**
 * What a scrape sees of the rotation of the mounted volumes: per class, whether any fails, and when all of them have been
 * checked. Times are seconds since the epoch; one that is not known yet has no series.
 */
export function addRotationGauges({ series, beforeScrape }: DriverMetrics['registry'], volumes: Volumes): void {
  const { mountedVolumes, failingVolumes, lastCheck, lastChange, nextCheck } = series
  const times: { gauge: typeof lastCheck; of(some: readonly Volume[]): number }[] = [
    { gauge: lastCheck, of: (some) => Math.min(...some.map(({ lastCheckAt }) => lastCheckAt)) },
    { gauge: lastChange, of: (some) => Math.max(...some.map(({ lastChangeAt }) => lastChangeAt)) },
    { gauge: nextCheck, of: (some) => Math.min(...some.map(({ nextCheckAt }) => nextCheckAt)) },
  ]
  beforeScrape(() => {
    for (const gauge of [mountedVolumes, failingVolumes, ...times.map((each) => each.gauge)]) gauge.clear()
    const byClass = Map.groupBy(volumes.all(), ({ pod, className }) => `${pod.namespace}/${className}`)
    for (const [key, some] of byClass) {
      const [namespace = '', secretClass = ''] = key.split('/')
      const labels = { namespace, class: secretClass }
      mountedVolumes.set(some.length, labels)
      failingVolumes.set(some.filter(({ failure }) => failure !== undefined).length, labels)
      for (const { gauge, of } of times) {
        const ms = of(some)
        if (ms > 0) gauge.set(Math.floor(ms / 1000), labels)
      }
    }
  })
}
