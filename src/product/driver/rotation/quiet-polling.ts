import { type EventsConfirmation, isConfirmed, parseEventsConfirmation } from '#kubernetes/client'
import { formatDuration } from '#lib/formats'
import { classKey } from '../content/class-ref.ts'
import type { Volume } from '../mount/volumes.ts'
import type { Node } from '../node.ts'
import { saveStatus } from '../pod-status.ts'

/** A confirmation is renewed every minute, and read every two. */
const trustMs = 5 * 60_000

/** The annotation of the CSIDriver object as it is now. Undefined: there is none. */
export function seeConfirmation(node: Node, text: string | undefined, signal: AbortSignal): void {
  const { confirmed, clock, log } = node
  const found = text === undefined ? undefined : parseEventsConfirmation(text)
  if (found === undefined) {
    confirmed.beat = undefined
    endTrust(node, 'events are confirmed no more')
    return
  }
  const isNew = confirmed.beat !== undefined && found.beat > confirmed.beat
  if (found.beat !== confirmed.beat) confirmed.beatAt = clock.elapsed()
  confirmed.beat = found.beat
  confirmed.intervalMs = found.intervalMs
  seePeriods(node, found)
  if (!isNew) return
  const isFirst = !confirmed.hasTrusted
  if (confirmed.trusted === undefined)
    log.info(
      { interval: formatDuration(found.intervalMs) },
      'events are confirmed: volumes of these vaults are polled rarely',
    )
  confirmed.trusted = found
  confirmed.hasTrusted = true
  confirmed.cancel()
  confirmed.cancel = clock.after(trustMs, () => endTrust(node, 'events have not been confirmed lately'))
  wakeUnconfirmed(node)
  // What was mounted since this driver has started; later ones are found by their next check, so that nodes do not write all at once.
  if (isFirst) for (const { target } of node.volumes.all()) void pollRarely(node, target, signal)
}

/** Also of a confirmation that is not trusted yet: one that goes on with the same period proves that nothing was missed since. */
function seePeriods({ confirmed, clock }: Node, { vaults }: EventsConfirmation): void {
  const known = confirmed.periods
  const seenAt = clock.elapsed()
  confirmed.periods = new Map(
    [...vaults].map(([host, id]) => {
      const before = known.get(host)
      return [host, before?.id === id ? before : { id, seenAt }] as const
    }),
  )
}

/** A volume that was just read need not be polled at its own interval first. Records it, and never rejects. */
export async function pollRarely(node: Node, target: string, signal: AbortSignal): Promise<void> {
  const { volumes, schedule, clock } = node
  const volume = volumes.get(target)
  if (volume === undefined || volume.quietMs !== undefined || volume.failure !== undefined) return
  const quietMs = quietIntervalOf(node, volume)
  const isAwaited = volume.change !== undefined || volume.wokenAt !== Number.POSITIVE_INFINITY
  if (quietMs === undefined || isAwaited) return
  const quiet = volumes.update(target, { quietMs, nextCheckAt: schedule.nextTick(quietMs, clock.elapsed()) })
  if (quiet !== undefined) await saveStatus(node, quiet, signal).catch(() => undefined)
}

function endTrust(node: Node, why: string): void {
  const { confirmed, log } = node
  if (confirmed.trusted === undefined) return
  log.info(`${why}: volumes are polled at their own intervals`)
  confirmed.trusted = undefined
  confirmed.cancel()
  wakeUnconfirmed(node)
}

/** Volumes whose next check was put off for events that are not confirmed any more are checked at the next tick of their own interval. */
function wakeUnconfirmed(node: Node): void {
  const { volumes, schedule, clock } = node
  for (const volume of volumes.all()) {
    if (volume.quietMs === undefined || quietIntervalOf(node, volume) !== undefined) continue
    const nextCheckAt = Math.min(volume.nextCheckAt, schedule.nextTick(volume.intervalMs, clock.elapsed()))
    if (nextCheckAt < volume.nextCheckAt) volumes.update(volume.target, { nextCheckAt })
  }
}

/** Whether an operator renews its confirmation, or did so within half an hour: the annotation of one that has ended stays. */
export function isRenewed({ confirmed, clock }: Node): boolean {
  return confirmed.beat !== undefined && clock.elapsed() - confirmed.beatAt < renewedMs
}

const renewedMs = 30 * 60_000

/** What decides how often a volume is polled. */
export type PolledVolume = Pick<Volume, 'pod' | 'className' | 'vaults' | 'readAt' | 'intervalMs' | 'stale'>

/**
 * The interval of a volume whose changes are all reported, in milliseconds: its vaults are confirmed, it was read since their periods began,
 * and its class is watched. Undefined where its own interval counts.
 */
export function quietIntervalOf({ confirmed, watchedClasses }: Node, volume: PolledVolume): number | undefined {
  const { pod, className, vaults, readAt, intervalMs, stale } = volume
  const { trusted, periods } = confirmed
  if (trusted === undefined || stale !== undefined || trusted.intervalMs <= intervalMs) return undefined
  if (!isConfirmed(trusted, { namespace: pod.namespace, hosts: vaults })) return undefined
  const isWatched = watchedClasses.get(classKey({ namespace: pod.namespace, name: className }))?.metadata !== undefined
  const isRead = vaults.every((host) => readAt - sharedMs >= (periods.get(host)?.seenAt ?? Number.POSITIVE_INFINITY))
  return isWatched && isRead ? trusted.intervalMs : undefined
}

/** A provider shares what it has read for so long: a check may get what is older than its begin. */
const sharedMs = 5000
