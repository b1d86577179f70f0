import { classAnnotations, type ObjectReference } from '#kubernetes/client'
import { Code, RpcError } from '#kubernetes/grpc'
import { errorMessage } from '#lib'
import { fillVolume } from '../content/fill-volume.ts'
import { parseClass } from '../content/mount-class.ts'
import type { Parts } from '../parts.ts'
import type { RotationSchedule } from '../rotation/rotation-schedule.ts'
import { errorTypeOf } from '../rpc/publish-error.ts'
import type { PublishRequest } from '../rpc/publish-request.ts'
import type { Volume } from './volumes.ts'

/** An unchanged volume says that it was checked this often at most: its status object is the API server's cost. */
const statusQuietMs = 300_000

export interface CheckOptions {
  parts: Parts
  schedule: RotationSchedule
  /** Told of a volume whose content or class is another one now. */
  afterChange: (volume: Volume) => void
}

/**
 * One rotation of one mounted volume: asks the provider anew, switches the files if anything changed, and records what was
 * found. Never throws: whatever fails leaves the old files, and is seen in an event, a metric, the log and the status
 * object. (An error to kubelet could cost a running pod its volume: https://github.com/kubernetes/kubernetes/issues/121271)
 *
 * The caller holds the target's lock.
 */
export async function checkVolume(
  { parts, schedule, afterChange }: CheckOptions,
  volume: Volume & { request: PublishRequest },
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now()
  try {
    const { checked, changed } = await check(parts, schedule, volume, signal)
    parts.volumes.set(checked)
    parts.metrics.rotation(checked.provider, changed, (performance.now() - startedAt) / 1000)
    if (changed || checked.seenClass.generation !== volume.seenClass.generation) afterChange(checked)
    if (!changed) return
    parts.log.info({ ...logKeys(volume) }, 'rotated')
    const message = `successfully rotated the content of class ${volume.className}`
    await parts.events.record(podReference(volume), 'Normal', 'MountRotationComplete', message)
  } catch (error) {
    if (signal.aborted && error === signal.reason && isInterruption(error)) return
    await recordFailure(parts, schedule, volume, error)
  }
}

async function check(
  parts: Parts,
  schedule: RotationSchedule,
  volume: Volume & { request: PublishRequest },
  signal: AbortSignal,
): Promise<{ checked: Volume; changed: boolean }> {
  const { request, target } = volume
  const object = await parts.knownClass({ namespace: volume.pod.namespace, name: volume.className })
  const mountClass = parseClass(object, request.context, parts.volumeAttributesWin)
  const filled = await fillVolume(parts, request, {
    target,
    mountClass,
    current: volume.versions,
    lastDigest: volume.digest,
    signal,
  })
  const now = parts.clock.now()
  const intervalMs = mountClass.intervalMs ?? parts.defaultIntervalMs
  const checked: Volume = {
    ...volume,
    provider: mountClass.provider,
    versions: filled.versions,
    digest: filled.digest,
    intervalMs,
    lastCheckAt: now,
    lastChangeAt: filled.changed ? now : volume.lastChangeAt,
    nextCheckAt: schedule.nextTick(intervalMs, now),
    failure: undefined,
    seenClass: mountClass.seen,
  }
  const worthTelling =
    filled.changed ||
    volume.failure !== undefined ||
    volume.seenClass.rotateRequest !== checked.seenClass.rotateRequest ||
    now - volume.status.writtenAt >= statusQuietMs
  if (!worthTelling) return { checked, changed: false }
  // Files are switched by now; should the status fail, the next check writes it although nothing changes then.
  parts.volumes.set({ ...checked, status: { ...volume.status, writtenAt: 0 } })
  const status = await parts.statuses.update(checked)
  return { checked: { ...checked, status: { ...status, writtenAt: now } }, changed: filled.changed }
}

async function recordFailure(parts: Parts, schedule: RotationSchedule, volume: Volume, error: unknown): Promise<void> {
  const current = parts.volumes.get(volume.target) ?? volume
  const now = parts.clock.now()
  const times = (volume.failure?.times ?? 0) + 1
  const message = errorMessage(error)
  const rotateRequest = await rotateRequestOf(parts, volume)
  const failed: Volume = {
    ...current,
    lastCheckAt: now,
    nextCheckAt: schedule.nextTry(volume.intervalMs, now, times),
    failure: { message, times },
    // Whoever asked for this rotation is told that it failed.
    seenClass: { ...current.seenClass, rotateRequest },
  }
  parts.volumes.set(failed)
  parts.metrics.rotationError(volume.provider, errorTypeOf(error))
  parts.log.error({ ...logKeys(volume), times }, `rotation failed, the old files stay: ${message}`)
  const text = `rotation failed, the old files stay: ${message}`
  await parts.events.record(podReference(volume), 'Warning', 'MountRotationFailed', text)
  if (volume.failure?.message === message && volume.seenClass.rotateRequest === rotateRequest) return
  try {
    await parts.statuses.update(failed)
  } catch (statusError) {
    parts.log.warn({ ...logKeys(volume), err: statusError }, 'the failure could not be written to the status object')
  }
}

/** A class that cannot be read asks for nothing new. */
async function rotateRequestOf(parts: Parts, { pod, className, seenClass }: Volume): Promise<string | undefined> {
  try {
    const { metadata } = await parts.knownClass({ namespace: pod.namespace, name: className })
    return metadata.annotations?.[classAnnotations.rotate]
  } catch {
    return seenClass.rotateRequest
  }
}

function isInterruption(error: unknown): boolean {
  return error instanceof RpcError && (error.code === Code.ABORTED || error.code === Code.CANCELLED)
}

export function podReference({ pod }: Volume): ObjectReference {
  return { apiVersion: 'v1', kind: 'Pod', namespace: pod.namespace, name: pod.name, uid: pod.uid }
}

export function logKeys({ pod, className, provider, target }: Volume) {
  return { pod: `${pod.namespace}/${pod.name}`, class: className, provider, targetPath: target }
}
