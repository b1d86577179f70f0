import { existsSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import type { NodePublishVolumeRequest, NodePublishVolumeResponse } from '#kubernetes/csi'
import { Code, RpcError } from '#kubernetes/grpc'
import { errorMessage } from '#lib'
import { fillVolume } from '../content/fill-volume.ts'
import { type MountClass, parseClass } from '../content/mount-class.ts'
import { logKeys } from '../mount/check-volume.ts'
import type { Volume } from '../mount/volumes.ts'
import type { Parts } from '../parts.ts'
import type { Rotation } from '../rotation/rotation.ts'
import type { RotationSchedule } from '../rotation/rotation-schedule.ts'
import type { SecretSync } from '../secrets/secret-sync.ts'
import { errorTypeOf, PublishError } from './publish-error.ts'
import { type PublishRequest, parsePublishRequest } from './publish-request.ts'

export interface PublishOptions {
  parts: Parts
  schedule: RotationSchedule
  /** Undefined when rotation is off. */
  rotation: Rotation | undefined
  secrets: SecretSync
  /** Bound for the files of one volume, in bytes. */
  volumeSizeBytes: number
  /** Resolves when the volumes of before a restart are known again. */
  recovered: Promise<void>
}

export type NodePublishVolume = (
  raw: NodePublishVolumeRequest,
  signal: AbortSignal,
) => Promise<NodePublishVolumeResponse>

/**
 * NodePublishVolume: the pod's secrets are at the target path, or there is no mount and an error that says why.
 * kubelet repeats the call about once a minute for the life of the pod (`requiresRepublish`), with fresh tokens.
 */
export function createNodePublishVolume(options: PublishOptions): NodePublishVolume {
  const { parts, schedule, rotation, secrets, volumeSizeBytes, recovered } = options
  const { mounter, volumes, operations, metrics, clock, log } = parts

  return async (raw, callSignal) => {
    let provider = ''
    try {
      const request = parsePublishRequest(raw)
      const target = await resolveTarget(request)
      await settled(recovered, callSignal)
      await operations.run(target, callSignal, async (signal) => {
        const mounted = await isMounted(target)
        const known = volumes.get(target)
        const volume =
          mounted && known !== undefined && isOf(known, request)
            ? await republish(known, request, signal)
            : await publish(target, request, mounted, signal)
        provider = volume.provider
      })
      metrics.publish(provider)
      return {}
    } catch (error) {
      metrics.publishError(provider, errorTypeOf(error))
      throw error
    }
  }

  /** A mounted volume keeps its files whatever happens here; the news in the request are its tokens. */
  async function republish(known: Volume, request: PublishRequest, signal: AbortSignal): Promise<Volume> {
    const volume = { ...(known.request === undefined ? await revive(known, request) : known), request }
    volumes.set(volume)
    if (known.request === undefined) secrets.soon(volume)
    if (rotation?.overdue(volume) === true) await rotation.check(volume, signal)
    return volume
  }

  /** A volume of before a restart: what its status object does not tell, the class does. An unreadable class is the next check's business. */
  async function revive(known: Volume, request: PublishRequest): Promise<Volume> {
    try {
      const object = await parts.knownClass({ namespace: known.pod.namespace, name: known.className })
      const { provider, intervalMs = parts.defaultIntervalMs } = parseClass(
        object,
        request.context,
        parts.volumeAttributesWin,
      )
      // The interval may have been made shorter meanwhile.
      const nextCheckAt = Math.min(known.nextCheckAt, schedule.nextTick(intervalMs, known.lastCheckAt))
      return { ...known, provider, intervalMs, nextCheckAt }
    } catch (error) {
      log.warn({ ...logKeys(known) }, `cannot read the class of a mounted volume: ${errorMessage(error)}`)
      return known
    }
  }

  /** @param mounted a driver that was killed in the middle left its mount: go on with it. */
  async function publish(
    target: string,
    request: PublishRequest,
    mounted: boolean,
    signal: AbortSignal,
  ): Promise<Volume> {
    const startedAt = performance.now()
    const complete = mounted && existsSync(join(target, '..data'))
    try {
      const mountClass = await both(readClass(request), mounted ? undefined : mount(target))
      const filled = await fillVolume(parts, request, { target, mountClass, current: [], signal })
      const volume = await record(newVolume(target, request, mountClass, filled))
      volumes.set(volume)
      await secrets.beforeStart(volume, mountClass.secretObjects)
      log.info({ ...logKeys(volume), durationMs: Math.round(performance.now() - startedAt) }, 'mounted')
      return volume
    } catch (error) {
      if (complete) throw keepMounted(error)
      await undo(target)
      throw error
    }
  }

  async function readClass({ pod, className, context }: PublishRequest): Promise<MountClass> {
    const object = await parts.readClass({ namespace: pod.namespace, name: className })
    return parseClass(object, context, parts.volumeAttributesWin)
  }

  async function resolveTarget({ targetPath }: PublishRequest): Promise<string> {
    try {
      return await mounter.resolve(targetPath)
    } catch (error) {
      throw PublishError.because('FailedToMount', Code.INTERNAL, `cannot use the target path ${targetPath}`, error)
    }
  }

  async function isMounted(target: string): Promise<boolean> {
    try {
      return await mounter.isMounted(target)
    } catch (error) {
      throw PublishError.because(
        'FailedToEnsureMountPoint',
        Code.INTERNAL,
        `cannot tell whether ${target} is mounted`,
        error,
      )
    }
  }

  async function mount(target: string): Promise<void> {
    try {
      await mounter.mount(target, { sizeBytes: volumeSizeBytes })
    } catch (error) {
      throw PublishError.because('FailedToMount', Code.UNKNOWN, `failed to mount tmpfs on ${target}`, error)
    }
  }

  async function record(volume: Omit<Volume, 'status'>): Promise<Volume> {
    const status = await parts.statuses.record(volume)
    return { ...volume, status: { ...status, writtenAt: clock.now() } }
  }

  /** If publishing never succeeds kubelet never asks to unpublish: nothing may stay behind. */
  async function undo(target: string): Promise<void> {
    try {
      await mounter.unmount(target)
      rmdirSync(target)
    } catch (error) {
      log.warn({ targetPath: target }, `a failed publish was not undone: ${errorMessage(error)}`)
    }
  }

  function newVolume(
    target: string,
    request: PublishRequest,
    mountClass: MountClass,
    filled: Awaited<ReturnType<typeof fillVolume>>,
  ): Omit<Volume, 'status'> {
    const now = clock.now()
    const intervalMs = mountClass.intervalMs ?? parts.defaultIntervalMs
    return {
      target,
      targetPath: request.targetPath,
      pod: request.pod,
      className: request.className,
      provider: mountClass.provider,
      request,
      versions: filled.versions,
      digest: filled.digest,
      intervalMs,
      lastCheckAt: now,
      lastChangeAt: now,
      nextCheckAt: schedule.nextTick(intervalMs, now),
      failure: undefined,
      seenClass: mountClass.seen,
    }
  }
}

/** The first's result, when both are over: the mount takes as long as reading the class, and must not go on behind an undo. */
async function both<T>(first: Promise<T>, second: Promise<void> | undefined): Promise<T> {
  await Promise.allSettled([first, second])
  await second
  return first
}

/** After a restart a volume is known by its status object, which others may write: only what kubelet says counts. */
function isOf({ pod, className }: Volume, request: PublishRequest): boolean {
  return className === request.className && pod.namespace === request.pod.namespace && pod.name === request.pod.name
}

/**
 * The volume has complete files, so a container may be using them. Unavailable is one of the codes upon which kubelet keeps
 * the directory and asks again; upon others an older kubelet would clear it away.
 */
function keepMounted(error: unknown): PublishError {
  return new PublishError(errorTypeOf(error), Code.UNAVAILABLE, errorMessage(error), { cause: error })
}

/** Waits for `promise`, but no longer than the caller does. */
function settled(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason ?? new RpcError(Code.CANCELLED, 'the caller gave up'))
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
