import { classAnnotations, type SecretProviderClass } from '#kubernetes/client'
import { Code, codeName, RpcError } from '#kubernetes/grpc'
import type { StaleContent } from '#kubernetes/provider-protocol'
import { errorMessage, timestamp } from '#lib'
import { classKey } from '../content/class-ref.ts'
import { type FilledVolume, fillVolume } from '../content/fill-volume.ts'
import { type MountClass, parseClass } from '../content/mount-class.ts'
import { currentClass } from '../content/read-class.ts'
import { defaultStatusIntervalMs } from '../csi-driver-object.ts'
import { driverLimits } from '../driver-limits.ts'
import {
  type CheckableVolume,
  classOf,
  logKeys,
  type PendingChange,
  podReference,
  type Volume,
} from '../mount/volumes.ts'
import type { Node } from '../node.ts'
import { saveStatus } from '../pod-status.ts'
import { errorTypeOf, PublishError } from '../rpc/publish-error.ts'
import { syncSoon } from '../secrets/secret-sync.ts'
import { secretNames } from '../secrets/wanted-secret.ts'
import { isStale } from './class-watch.ts'
import { changeToRead } from './pending-change.ts'
import { quietIntervalOf } from './quiet-polling.ts'

/**
 * One rotation of one mounted volume: asks the provider again, switches the files if anything changed, and records what was
 * found. Never throws: whatever fails leaves the old files, and is reported in an event, a metric, the log and the status
 * object. (An error to kubelet could cost a running pod its volume: https://github.com/kubernetes/kubernetes/issues/121271)
 *
 * The caller holds the target's lock, and the volume is mounted.
 */
export async function checkVolume(node: Node, volume: CheckableVolume, signal: AbortSignal): Promise<void> {
  const startedAt = node.clock.elapsed()
  const watched = node.watchedClasses.get(classKey(classOf(volume)))
  if (watched !== undefined) watched.checkedAt = startedAt
  // From here on, an edit of the class or a change in the vault needs another check.
  node.volumes.update(volume.target, { wokenAt: Number.POSITIVE_INFINITY })
  let mountClass: MountClass
  let filled: FilledVolume
  let cause: Cause
  try {
    const object = await currentClass(node, classOf(volume), signal)
    cause = causeOf(node, volume, { object, startedAt })
    mountClass = parseClass(object, volume.request.context, { attributesWin: node.config.volumeAttributesWin })
    filled = await fillVolume(node, volume.request, {
      target: volume.target,
      mountClass,
      current: volume.versions,
      lastDigest: volume.digest,
      large: volume.large,
      mayFallBack: false,
      onStale: (stale) => refuseOlder(volume, stale),
      notOlderThan: cause.notOlderThan,
      changed: cause.change?.objects,
      signal,
      timeoutMs: (volume.stale === undefined ? driverLimits.rotationCall : driverLimits.staleCall).value,
    })
  } catch (error) {
    if (!isInterruption(error, signal)) await recordFailure(node, volume, { error, startedAt, signal })
    return
  }
  await recordSuccess(node, volume, { mountClass, filled, cause, startedAt, signal })
}

/** What a check is for. */
interface Cause {
  source: 'event' | 'poll' | 'command'
  /** Of a command: when it was given, by `clock.elapsed()`. */
  askedAt?: number | undefined
  notOlderThan?: number | undefined
  change?: PendingChange | undefined
}

/** A command reads every object again, those that have changed among them. */
function causeOf(
  node: Node,
  volume: Volume,
  { object, startedAt }: { object: SecretProviderClass; startedAt: number },
): Cause {
  const change = changeToRead(volume, object)
  if (isStale(volume.seenClass, object)) {
    const askedAt = requestedAt(node, volume, startedAt)
    // The change may have come after the command.
    return { source: 'command', askedAt, notOlderThan: change === undefined ? askedAt : startedAt }
  }
  if (change === undefined) return { source: 'poll' }
  return { source: 'event', change, notOlderThan: changeSeenAt(node, volume, { change, startedAt }) }
}

/** When the rotation was asked for. Without a watch of the class, it was before this check at the latest. */
function requestedAt({ watchedClasses }: Node, volume: Volume, startedAt: number): number {
  const watched = watchedClasses.get(classKey(classOf(volume)))
  return watched?.metadata === undefined ? startedAt : watched.requestedAt
}

/** When this node saw the change: what any volume of it has read since then serves all of them. */
function changeSeenAt(
  { watchedClasses }: Node,
  volume: Volume,
  { change, startedAt }: { change: PendingChange; startedAt: number },
): number {
  const seen = watchedClasses.get(classKey(classOf(volume)))?.change
  return seen?.id === change.id ? seen.seenAt : startedAt
}

/** A volume never goes back to values that are older than its own. */
function refuseOlder({ stale: held }: Volume, { since, reason }: StaleContent): void {
  if (held !== undefined && held.since <= since) return
  const text = `the provider has only values of ${timestamp(since)}${reason === '' ? '' : `, because ${reason}`}`
  throw new PublishError('GRPCProviderError', Code.UNAVAILABLE, text)
}

/** An unpublish, a caller that left, or the end of the driver: none is a failure of the volume. */
function isInterruption(error: unknown, signal: AbortSignal): boolean {
  const isEnd = error instanceof RpcError && (error.code === Code.ABORTED || error.code === Code.CANCELLED)
  return signal.aborted && error === signal.reason && isEnd
}

interface Outcome {
  mountClass: MountClass
  filled: FilledVolume
  cause: Cause
  /** By `clock.elapsed()`. */
  startedAt: number
  signal: AbortSignal
}

/** The files are switched by now: that is acted on first, whatever becomes of the records. */
async function recordSuccess(node: Node, before: CheckableVolume, outcome: Outcome): Promise<void> {
  const { volumes, metrics, events, log } = node
  const { filled, mountClass, cause, startedAt, signal } = outcome
  const checked = volumes.update(before.target, changesOf(node, before, outcome))
  if (checked === undefined) return
  metrics.rotation(checked.provider, filled.changed, (node.clock.elapsed() - startedAt) / 1000)
  if (filled.changed || mountClass.seen.generation !== before.seenClass.generation) syncSoon(node, checked)
  const records: Promise<void>[] = []
  if (filled.changed) {
    metrics.registry.series.changeToFile.observe(secondsSince(node, before, cause), { source: cause.source })
    log.info(logKeys(checked), 'rotated')
    const message = `successfully rotated the content of class ${checked.className}`
    records.push(events.record(podReference(checked), 'Normal', 'MountRotationComplete', message))
  }
  if (before.quietMs !== checked.quietMs || isWorthWriting(node, before, checked, outcome))
    records.push(saveStatus(node, checked, signal).catch(() => undefined))
  await Promise.all(records)
}

function changesOf(node: Node, before: Volume, { mountClass, filled, cause, startedAt }: Outcome) {
  const { config, clock, schedule, volumes } = node
  const intervalMs = mountClass.intervalMs ?? config.rotationIntervalMs
  // After an event the provider answers what did not change from what it has read before.
  const readAt = cause.source === 'event' ? before.readAt : startedAt
  const { vaults, stale } = filled
  const quietMs = quietIntervalOf(node, { ...before, vaults, readAt, intervalMs, stale })
  const due = schedule.next(quietMs ?? intervalMs, clock.elapsed(), stale && startedAt)
  const { wokenAt, change } = volumes.get(before.target) ?? before
  return {
    provider: mountClass.provider,
    versions: filled.versions,
    stale,
    digest: filled.digest,
    large: filled.large,
    intervalMs,
    vaults,
    tokenOf: filled.tokenOf,
    readAt,
    quietMs,
    lastCheckAt: clock.now(),
    lastChangeAt: filled.changed ? clock.now() : before.lastChangeAt,
    changedAt: filled.changed ? clock.elapsed() : before.changedAt,
    nextCheckAt: Math.min(wokenAt, due),
    secrets: [...new Set([...before.secrets, ...secretNames(mountClass.secretObjects)])],
    failure: undefined,
    seenClass: mountClass.seen,
    // One that was seen during the check is still to be read for.
    change: change === before.change || change?.id === mountClass.seen.changeId ? undefined : change,
  } satisfies Partial<Volume>
}

/** How long the change took to reach the files, in seconds; a poll knows only that it came after the check before. */
function secondsSince({ clock }: Node, before: Volume, { source, change, askedAt = 0 }: Cause): number {
  const ms = {
    event: clock.now() - (change?.at ?? clock.now()),
    command: clock.elapsed() - askedAt,
    poll: clock.now() - before.lastCheckAt,
  }[source]
  return Math.max(ms, 0) / 1000
}

function isWorthWriting(node: Node, before: Volume, checked: Volume, { filled, mountClass }: Outcome): boolean {
  return (
    filled.changed ||
    before.failure !== undefined ||
    before.stale?.since !== filled.stale?.since ||
    secretNames(mountClass.secretObjects).some((name) => !before.secrets.includes(name)) ||
    before.seenClass.rotateRequest !== mountClass.seen.rotateRequest ||
    before.seenClass.changeId !== mountClass.seen.changeId ||
    before.seenClass.generation !== mountClass.seen.generation ||
    isRecordOld(node, checked)
  )
}

/**
 * Whether the times in the status object have to be written: they are older than the interval of status writes, or would name a check that
 * is past for longer than that before the next one can write them. At rest that is no more writes: a volume whose checks are further apart
 * is written by each of them, except the first one after a mount or a change.
 */
function isRecordOld({ clock, statusIntervalMs }: Node, { status, nextCheckAt }: Volume): boolean {
  return clock.elapsed() - status.writtenAt >= statusIntervalMs || nextCheckAt - status.nextCheckAt > statusIntervalMs
}

interface FailedCheck {
  error: unknown
  startedAt: number
  signal: AbortSignal
}

async function recordFailure(node: Node, before: CheckableVolume, check: FailedCheck): Promise<void> {
  const { error, startedAt, signal } = check
  const { volumes, metrics, events, clock, schedule, log } = node
  const message = errorMessage(error)
  const times = (before.failure?.times ?? 0) + 1
  const requested = await rotateRequestOf(node, before, signal)
  const { wokenAt } = volumes.get(before.target) ?? before
  // One that was given during the check is not answered yet: the next check reads for it.
  const rotateRequest = wokenAt === Number.POSITIVE_INFINITY ? requested : before.seenClass.rotateRequest
  const nextTry = schedule.nextTry(before.intervalMs, clock.elapsed(), times, before.stale && startedAt)
  const failed = volumes.update(before.target, {
    lastCheckAt: clock.now(),
    nextCheckAt: Math.min(wokenAt, nextTry),
    failure: { message, code: codeOf(error), times, since: before.failure?.since ?? clock.now() },
    // The status object reports that the rotation that was asked for has failed.
    seenClass: { ...before.seenClass, rotateRequest },
  })
  if (failed === undefined) return
  metrics.rotationError(failed.provider, errorTypeOf(error))
  const text = `rotation failed, the old files stay: ${message}`
  log.error({ ...logKeys(failed), times }, text)
  const records = [events.record(podReference(failed), 'Warning', 'MountRotationFailed', text)]
  const isReported = before.failure?.message === message && before.seenClass.rotateRequest === rotateRequest
  if (!isReported || isTryWorthWriting(node, failed) || isRecordOld(node, failed))
    records.push(saveStatus(node, failed, signal).catch(() => undefined))
  await Promise.all(records)
}

function codeOf(error: unknown): string {
  return codeName(error instanceof RpcError ? error.code : Code.UNKNOWN)
}

/** A class that cannot be read asks for nothing new. */
async function rotateRequestOf(node: Node, volume: Volume, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { metadata } = await currentClass(node, classOf(volume), signal)
    return metadata.annotations?.[classAnnotations.rotate]
  } catch {
    return volume.seenClass.rotateRequest
  }
}

/**
 * Whether the times of a failure that is reported already have to be written. Each try's are, because people wait for the next one: at most
 * one in a minute after the first few, and no more than those of other volumes where the operator asks for fewer writes.
 */
function isTryWorthWriting(node: Node, { status, failure }: Volume): boolean {
  if (node.statusIntervalMs > defaultStatusIntervalMs) return false
  return (failure?.times ?? 0) <= triesWrittenAtOnce || node.clock.elapsed() - status.writtenAt >= betweenTryWritesMs
}

const triesWrittenAtOnce = 5
const betweenTryWritesMs = 60_000
