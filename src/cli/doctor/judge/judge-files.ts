import {
  type CsiDriver,
  csiDriverAnnotations,
  type SecretProviderClassPodStatus,
  statusAnnotations,
} from '#kubernetes/client'
import { formatDuration, parseDuration } from '#lib/formats'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import type { PodFacts } from '../pod-facts.ts'
import { fail, fine, notKnown, type Observation, warn } from '../step.ts'

/** At rest a driver writes its times this often at most, where the operator has not asked for less. */
const statusQuietMs = 300_000
/** For kubelet's next call, and for clocks. */
const graceMs = 120_000

/** D1: which versions the files have, and whether they are checked as often as they should be. */
export function judgeFiles(facts: PodFacts): Observation[] {
  const { statuses, cluster, nowMs } = facts
  if ('why' in statuses) return [notKnown(statuses.why)]
  const mounted = new Set(statuses.value.map(({ status }) => status?.secretProviderClassName))
  const missing = cluster.classes.filter(({ className }) => !mounted.has(className))
  const isRunning = cluster.pod.status?.phase === 'Running'
  return [
    ...missing.map(({ className }) =>
      notKnown(`class ${className} is not mounted${isRunning ? ', as far as its status object shows' : ' yet'}`),
    ),
    ...statuses.value.flatMap((status) => judgeStatus(status, { nowMs, quietMs: quietMsOf(cluster.driver) })),
    ...pinnedVersions(facts),
  ]
}

/** How often the drivers write the times of checks that changed nothing. */
export function quietMsOf(driver: Answer<CsiDriver | undefined>): number {
  const annotations = 'value' in driver ? driver.value?.metadata.annotations : undefined
  return Math.max(statusQuietMs, parseDuration(annotations?.[csiDriverAnnotations.statusInterval] ?? '') ?? 0)
}

/** How a volume is kept up to date, by its status object. */
export function judgeStatus(
  { metadata, status }: SecretProviderClassPodStatus,
  { nowMs, quietMs }: { nowMs: number; quietMs: number },
): Observation[] {
  const annotations = metadata.annotations ?? {}
  const className = status?.secretProviderClassName ?? ''
  const last = Date.parse(annotations[statusAnnotations.lastCheck] ?? '')
  const next = Date.parse(annotations[statusAnnotations.nextCheck] ?? '')
  const stale = annotations[statusAnnotations.staleSince]
  const staleness =
    stale === undefined
      ? []
      : [
          fail('values-stale', `class ${className}: the values are those of ${stale}; they are read again every 15 s`, [
            'keymount explain values-stale',
          ]),
        ]
  if (Number.isNaN(next)) {
    return [...staleness, warn('rotation-off', `class ${className}: the driver does not rotate`)]
  }
  if (nowMs > lateAfterMs(annotations, quietMs)) {
    const ago = formatDuration(Math.round((nowMs - last) / 1000) * 1000)
    return [
      ...staleness,
      fail('check-late', `class ${className}: the last recorded check is ${ago} ago`, [
        commandLine('keymount', 'rotate', className, '-n', metadata.namespace ?? 'default'),
      ]),
    ]
  }
  const count = status?.objects?.length ?? 0
  const objects = `class ${className}: ${count} ${count === 1 ? 'object' : 'objects'}`
  const recorded = annotations[statusAnnotations.lastCheck]
  const interval = annotations[statusAnnotations.pollInterval]
  return [
    ...staleness,
    fine(
      interval === undefined
        ? `${objects}, checked up to ${formatDuration(quietMs)} ago (recorded ${recorded})`
        : `${objects}, checked ${recorded}; changes come by events, which are confirmed, and polls every ${interval} (next ${annotations[statusAnnotations.nextCheck]})`,
    ),
  ]
}

/**
 * When a check of the volume with these annotations is late, in milliseconds since the Unix epoch; NaN where the driver does not rotate.
 * A driver leaves out the writes of checks for `quietMs` after the one that it has recorded as the next.
 */
export function lateAfterMs(annotations: Readonly<Record<string, string>>, quietMs: number): number {
  return Date.parse(annotations[statusAnnotations.nextCheck] ?? '') + quietMs + graceMs
}

function pinnedVersions({ cluster: { classes } }: PodFacts): Observation[] {
  return classes.flatMap(({ className, class: found }) => {
    const objects = 'value' in found ? (found.value?.spec?.parameters?.objects ?? '') : ''
    const isPinned = /objectVersion"?:[ \t]*['"]?[0-9A-Za-z]/.test(objects)
    return isPinned
      ? [warn('version-pinned', `class ${className} has an objectVersion: that version is read forever`)]
      : []
  })
}
