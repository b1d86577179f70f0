import type { Metrics } from '#lib'
import type { Volume, Volumes } from '../mount/volumes.ts'

/**
 * What a scrape sees of the rotation of the mounted volumes, one series per class: whether any fails, and when all of them
 * have been checked. Per class and not per pod, so that a full node has a few series and not hundreds. Times are seconds
 * since the epoch; one that is not known yet has no series.
 */
export function addRotationGauges(registry: Metrics, volumes: Volumes): void {
  const mounted = registry.gauge('rotation_volumes', 'Volumes that are mounted on this node')
  const failing = registry.gauge('rotation_failing_volumes', 'Volumes whose last rotation check failed')
  const times = [
    {
      gauge: registry.gauge(
        'rotation_last_check_timestamp_seconds',
        'Last rotation check of the volume that waits longest',
      ),
      of: (some: readonly Volume[]) => Math.min(...some.map(({ lastCheckAt }) => lastCheckAt)),
    },
    {
      gauge: registry.gauge('rotation_last_change_timestamp_seconds', 'Last change of any volume'),
      of: (some: readonly Volume[]) => Math.max(...some.map(({ lastChangeAt }) => lastChangeAt)),
    },
    {
      gauge: registry.gauge(
        'rotation_next_check_timestamp_seconds',
        'Next rotation check of the volume that is due first',
      ),
      of: (some: readonly Volume[]) => Math.min(...some.map(({ nextCheckAt }) => nextCheckAt)),
    },
  ]

  registry.beforeScrape(() => {
    for (const gauge of [mounted, failing, ...times.map((each) => each.gauge)]) gauge.clear()
    const byClass = Map.groupBy(volumes.all(), ({ pod, className }) => `${pod.namespace}/${className}`)
    for (const [key, some] of byClass) {
      const [namespace = '', secretClass = ''] = key.split('/')
      const labels = { namespace, class: secretClass }
      mounted.set(some.length, labels)
      failing.set(some.filter(({ failure }) => failure !== undefined).length, labels)
      for (const { gauge, of } of times) {
        const ms = of(some)
        if (ms > 0) gauge.set(Math.floor(ms / 1000), labels)
      }
    }
  })
}
