import { Code, RpcError } from '#kubernetes/grpc'
import { errorMessage, type Running } from '#lib'
import { type CheckOptions, checkVolume } from '../mount/check-volume.ts'
import type { Volume } from '../mount/volumes.ts'
import type { PublishRequest } from '../rpc/publish-request.ts'

/** Volumes that are checked at the same time; the provider shares what they have in common. */
const concurrency = 16

/** A timer further away than this is set in steps, because Node's timers end at 24.8 days. */
const maxWaitMs = 3_600_000

export interface Rotation extends Running {
  /** Whether the volume's check should have been by now. */
  overdue(volume: Volume): boolean
  /** Checks a volume now. The caller holds the target's lock. */
  check(volume: Volume & { request: PublishRequest }, signal: AbortSignal): Promise<void>
}

/**
 * Rotation by the driver's own clock: one timer for whichever volume is due next. Volumes of which kubelet has not spoken
 * since the driver started are left out: their tokens are not known yet.
 */
export function startRotation(options: CheckOptions): Rotation {
  const { volumes, operations, mounter, clock, log } = options.parts
  const stopping = new AbortController()
  const underWay = new Set<string>()
  let cancelTimer = () => {}
  let pass = Promise.resolve()

  const candidates = () => volumes.all().filter(({ request, target }) => request !== undefined && !underWay.has(target))

  function arm(): void {
    cancelTimer()
    if (stopping.signal.aborted) return
    const next = Math.min(...candidates().map(({ nextCheckAt }) => nextCheckAt))
    if (next === Number.POSITIVE_INFINITY) return
    cancelTimer = clock.after(Math.min(Math.max(next - clock.now(), 0), maxWaitMs), onTimer)
  }

  function onTimer(): void {
    const due = candidates().filter(({ nextCheckAt }) => nextCheckAt <= clock.now())
    for (const { target } of due) underWay.add(target)
    pass = Promise.all([pass, checkAll(due.map(({ target }) => target))]).then(arm)
    arm()
  }

  async function checkAll(targets: string[]): Promise<void> {
    if (targets.length === 0) return
    try {
      await forgetUnmounted(targets)
    } catch (error) {
      log.error({ err: error }, `the mount table cannot be read: ${errorMessage(error)}`)
    }
    const queue = targets.values()
    const worker = async () => {
      for (const target of queue) {
        await checkOne(target)
        underWay.delete(target)
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
  }

  /** A volume that vanished without an unpublish (a kubelet that was replaced) must not be written to: that is the node's disk. */
  async function forgetUnmounted(targets: string[]): Promise<void> {
    const mounted = await mounter.mountedAmong(targets)
    for (const target of targets) if (!mounted.has(target)) volumes.delete(target)
  }

  async function checkOne(target: string): Promise<void> {
    try {
      await operations.run(target, stopping.signal, async (signal) => {
        const volume = volumes.get(target)
        // kubelet's republish may have checked it while we waited for the lock.
        if (volume !== undefined && hasRequest(volume) && volume.nextCheckAt <= clock.now())
          await checkVolume(options, volume, signal)
      })
    } catch (error) {
      log.debug({ targetPath: target }, `not checked: ${errorMessage(error)}`)
    }
  }

  volumes.onChange(arm)
  return {
    // A check that is only just due is the timer's business.
    overdue: (volume) => volume.nextCheckAt + 5000 <= clock.now(),
    check: (volume, signal) => checkVolume(options, volume, signal),
    async stop() {
      cancelTimer()
      stopping.abort(new RpcError(Code.CANCELLED, 'the driver stops'))
      await pass
    },
  }
}

export function hasRequest(volume: Volume): volume is Volume & { request: PublishRequest } {
  return volume.request !== undefined
}
