import { csiDriverAnnotations, type KubeClient, resources } from '#kubernetes/client'
import { type Clock, type Log, systemClock } from '#lib'
import { formatDuration, parseDuration } from '#lib/formats'

export interface StatusIntervalOptions {
  kube: KubeClient
  /** Name of the CSIDriver object. */
  driverName: string
  log: Log
  clock?: Clock | undefined
}

const stepMs = 5 * 60_000
/** Status writes in a second that a cluster makes while nothing changes. */
const writesPerSecond = 50
const betweenChangesMs = 3_600_000

/**
 * How often a driver writes the times of checks that changed nothing, so that all drivers together write at most 50 status objects
 * in a second: 5 minutes, or more in steps of 5 minutes.
 */
export function statusIntervalMs(volumes: number): number {
  const ms = (volumes / writesPerSecond) * 1000
  return Math.max(Math.ceil(ms / stepMs), 1) * stepMs
}

/** Writes the interval of a number of volumes to the CSIDriver object, where the drivers read it; at most once in an hour. */
export function statusIntervalWriter(
  options: StatusIntervalOptions,
): (volumes: number, signal: AbortSignal) => Promise<void> {
  const { kube, driverName: name, log, clock = systemClock } = options
  let changedAt = Number.NEGATIVE_INFINITY
  return async (volumes, signal) => {
    if (clock.elapsed() - changedAt < betweenChangesMs) return
    const wanted = statusIntervalMs(volumes)
    const { metadata } = await kube.get(resources.csiDrivers, { name }, { signal })
    const present = parseDuration(metadata.annotations?.[csiDriverAnnotations.statusInterval] ?? '') ?? stepMs
    if (present === wanted) return
    const annotations = { [csiDriverAnnotations.statusInterval]: formatDuration(wanted) }
    await kube.patch(resources.csiDrivers, { name }, { metadata: { annotations } }, { signal })
    changedAt = clock.elapsed()
    log.info({ volumes, interval: formatDuration(wanted) }, 'the interval of status writes has changed')
  }
}
