import { existsSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { versionHash } from '#kubernetes/client'
import type { NodePublishVolumeRequest, NodePublishVolumeResponse } from '#kubernetes/csi'
import { Code } from '#kubernetes/grpc'
import { errorMessage } from '#lib'
import { untilAborted } from '#lib/async'
import { type FilledVolume, fillVolume } from '../content/fill-volume.ts'
import { type MountClass, parseClass } from '../content/mount-class.ts'
import { currentClass, readClass } from '../content/read-class.ts'
import { memoryOfRequest } from '../mount/memory-budget.ts'
import { type CheckableVolume, classOf, logKeys, notWritten, type Volume } from '../mount/volumes.ts'
import type { Node } from '../node.ts'
import { saveStatus, statusName } from '../pod-status.ts'
import { reportStale } from '../report-stale.ts'
import { checkVolume } from '../rotation/check-volume.ts'
import { catchUp, changedForNewVolume } from '../rotation/class-watch.ts'
import { pollRarely, quietIntervalOf } from '../rotation/quiet-polling.ts'
import { isOverdue } from '../rotation/rotation.ts'
import { syncBeforeStart, syncSoon } from '../secrets/secret-sync.ts'
import { secretNames } from '../secrets/wanted-secret.ts'
import { errorTypeOf, PublishError } from './publish-error.ts'
import { type PublishRequest, parsePublishRequest } from './publish-request.ts'

/**
 * NodePublishVolume: the pod's secrets are at the target path, or there is no mount, and an error with the reason.
 * kubelet repeats the call about once a minute for the life of the pod (`requiresRepublish`), with fresh tokens.
 */
export async function nodePublishVolume(
  node: Node,
  raw: NodePublishVolumeRequest,
  callSignal: AbortSignal,
): Promise<NodePublishVolumeResponse> {
  let provider = ''
  try {
    const request = parsePublishRequest(raw)
    const target = await resolveTarget(node, request)
    await untilAborted(node.recovered, callSignal)
    await node.operations.run(target, callSignal, async (signal) => {
      const mounted = await isMounted(node, target)
      const volume = mounted ? volumeOf(node, target, request) : undefined
      const published =
        volume === undefined
          ? await publish(node, target, request, { mounted, signal })
          : await republish(node, volume, request, signal)
      provider = published.provider
    })
    node.metrics.publish(provider)
    return {}
  } catch (error) {
    node.metrics.publishError(provider, errorTypeOf(error))
    throw error
  }
}

async function resolveTarget({ mounter }: Node, { targetPath }: PublishRequest): Promise<string> {
  try {
    return await mounter.resolve(targetPath)
  } catch (error) {
    throw PublishError.because('FailedToMount', Code.INTERNAL, `cannot use the target path ${targetPath}`, error)
  }
}

async function isMounted({ mounter }: Node, target: string): Promise<boolean> {
  try {
    return await mounter.isMounted(target)
  } catch (error) {
    // Not a code that lets kubelet take for granted that nothing is mounted: it would never ask to unpublish.
    const what = `cannot find out whether ${target} is mounted`
    throw PublishError.because('FailedToEnsureMountPoint', Code.UNAVAILABLE, what, error)
  }
}

/** After a restart a volume is known by its status object, which others may write: only what kubelet asks for counts. */
function volumeOf({ volumes }: Node, target: string, { pod, className }: PublishRequest): Volume | undefined {
  const volume = volumes.get(target)
  if (volume === undefined || className !== volume.className) return undefined
  return pod.namespace === volume.pod.namespace && pod.name === volume.pod.name ? volume : undefined
}

/**
 * The first publish of a volume, as far as this driver knows.
 * @param state.mounted whether a driver that was killed before it had published left its mount: that mount is filled
 */
async function publish(
  node: Node,
  target: string,
  request: PublishRequest,
  { mounted, signal }: { mounted: boolean; signal: AbortSignal },
): Promise<Volume> {
  const { volumes, clock, log } = node
  const startedAt = clock.elapsed()
  const hadFiles = mounted && existsSync(join(target, '..data'))
  try {
    const read = readMountClass(node, request, signal)
    const { mountClass, changed } = await both(read, mounted ? undefined : mount(node, target))
    const filled = await fillVolume(node, request, {
      target,
      mountClass,
      current: [],
      lastDigest: undefined,
      large: false,
      mayFallBack: !hadFiles,
      changed,
      signal,
    })
    const volume = newVolume(node, target, request, { mountClass, filled, hadFiles, startedAt })
    volumes.set(volume)
    catchUp(node, volume)
    if (volume.stale !== undefined) void reportStale(node, volume, volume.stale)
    await saveStatus(node, volume, signal)
    await syncBeforeStart(node, volumes.get(target) ?? volume, mountClass.secretObjects, signal)
    log.info({ ...logKeys(volume), durationMs: Math.round(clock.elapsed() - startedAt) }, 'mounted')
    // By now the watch of the class has mostly begun.
    void pollRarely(node, target, signal)
    return volume
  } catch (error) {
    if (hadFiles || !(await undo(node, target))) throw keepMounted(error)
    throw error
  }
}

async function readMountClass(node: Node, request: PublishRequest, signal: AbortSignal) {
  const { pod, className, context } = request
  const object = await readClass(node, { namespace: pod.namespace, name: className }, signal)
  const mountClass = parseClass(object, context, { attributesWin: node.config.volumeAttributesWin })
  return { mountClass, changed: changedForNewVolume(node, object) }
}

/** Size of a volume before its content is known: enough for most, so that few have to be made larger. */
const firstSizeBytes = 1024 * 1024

async function mount({ mounter }: Node, target: string): Promise<void> {
  try {
    await mounter.mount(target, { sizeBytes: firstSizeBytes })
  } catch (error) {
    throw PublishError.because('FailedToMount', Code.UNKNOWN, `failed to mount tmpfs on ${target}`, error)
  }
}

/** The first's result once both have ended: mounting takes as long as reading the class, and must not continue behind an undo. */
async function both<T>(first: Promise<T>, second: Promise<void> | undefined): Promise<T> {
  await Promise.allSettled([first, second])
  await second
  return first
}

interface Publication {
  mountClass: MountClass
  filled: FilledVolume
  hadFiles: boolean
  /** By `clock.elapsed()`. */
  startedAt: number
}

function newVolume(
  node: Node,
  target: string,
  request: PublishRequest,
  { mountClass, filled, hadFiles, startedAt }: Publication,
): Volume {
  const { config, clock, schedule } = node
  const { pod, className } = request
  const { vaults, stale } = filled
  const intervalMs = mountClass.intervalMs ?? config.rotationIntervalMs
  const quietMs = quietIntervalOf(node, { pod, className, vaults, stale, intervalMs, readAt: startedAt })
  return {
    target,
    targetPath: request.targetPath,
    pod,
    className,
    provider: mountClass.provider,
    request,
    status: notWritten(statusName({ pod, className, target })),
    versions: filled.versions,
    // Containers may have started with the files that were there.
    startedWith: hadFiles ? undefined : versionHash(className, filled.versions),
    mirroredFor: undefined,
    stale,
    digest: filled.digest,
    large: filled.large,
    intervalMs,
    vaults,
    tokenOf: filled.tokenOf,
    readAt: startedAt,
    quietMs,
    lastCheckAt: clock.now(),
    lastChangeAt: clock.now(),
    changedAt: clock.elapsed(),
    nextCheckAt: schedule.next(quietMs ?? intervalMs, clock.elapsed(), stale && clock.elapsed()),
    wokenAt: Number.POSITIVE_INFINITY,
    secrets: secretNames(mountClass.secretObjects),
    failure: undefined,
    seenClass: mountClass.seen,
    change: undefined,
  }
}

/**
 * The volume is mounted, and a container may be using its files. Unavailable is one of the codes upon which kubelet keeps the
 * directory and asks again, to publish or to unpublish; upon others it takes for granted that nothing is mounted.
 */
function keepMounted(error: unknown): PublishError {
  return new PublishError(errorTypeOf(error), Code.UNAVAILABLE, errorMessage(error), { cause: error })
}

/** If publishing never succeeds kubelet never asks to unpublish: nothing may stay behind. Whether it was undone. */
async function undo({ mounter, volumes, memory, log }: Node, target: string): Promise<boolean> {
  volumes.delete(target)
  try {
    await mounter.unmount(target)
    memory.set(target, undefined)
    rmdirSync(target)
    return true
  } catch (error) {
    log.warn({ targetPath: target }, `a failed publish was not undone: ${errorMessage(error)}`)
    return false
  }
}

/** A mounted volume keeps its files whatever happens here; what is new in the request are its tokens. */
async function republish(node: Node, volume: Volume, request: PublishRequest, signal: AbortSignal): Promise<Volume> {
  const isRecovered = volume.request === undefined
  const restored = isRecovered ? await restore(node, volume, request, signal) : undefined
  // As it is now: its class may have reported a change meanwhile.
  const latest = node.volumes.get(volume.target) ?? volume
  const nextCheckAt = Math.min(latest.nextCheckAt, restored?.nextCheckAt ?? latest.nextCheckAt)
  const current: CheckableVolume = { ...latest, ...restored, nextCheckAt, request }
  node.volumes.set(current)
  if (isRecovered) syncSoon(node, current)
  if (isOverdue(node, current)) await checkVolume(node, current, signal)
  return current
}

/**
 * A volume from before a restart: what its status object does not hold, the class does. A class that cannot be read is left
 * to the next check.
 */
async function restore(
  node: Node,
  volume: Volume,
  request: PublishRequest,
  signal: AbortSignal,
): Promise<Pick<Volume, 'provider' | 'intervalMs' | 'nextCheckAt'>> {
  const { config, clock, schedule, mounter, memory, log } = node
  let { provider, intervalMs } = volume
  try {
    const bytes = (await mounter.memoryOf(volume.target)) + memoryOfRequest(request)
    memory.set(volume.target, { bytes, namespace: volume.pod.namespace })
  } catch (error) {
    // It counts as it did when the volume was found; a failure of this call would make kubelet take it for unmounted.
    log.warn({ ...logKeys(volume) }, `cannot measure a mounted volume: ${errorMessage(error)}`)
  }
  try {
    const object = await currentClass(node, classOf(volume), signal)
    const mountClass = parseClass(object, request.context, { attributesWin: config.volumeAttributesWin })
    provider = mountClass.provider
    intervalMs = mountClass.intervalMs ?? config.rotationIntervalMs
  } catch (error) {
    signal.throwIfAborted()
    log.warn({ ...logKeys(volume) }, `cannot read the class of a mounted volume: ${errorMessage(error)}`)
  }
  // One that was polled rarely has not been checked for long: all of these at once would be a burst.
  const isQuiet = volume.quietMs !== undefined
  // The interval may have been shortened since, and the wall clock that the status object was written by may have been set.
  const checkedAt = clock.elapsed() - (isQuiet ? 0 : Math.max(clock.now() - volume.lastCheckAt, 0))
  const nextCheckAt = volume.stale === undefined ? schedule.nextTick(intervalMs, checkedAt) : clock.elapsed()
  return { provider, intervalMs, nextCheckAt }
}
