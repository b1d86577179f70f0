import type { Pod, Volume } from '#kubernetes/client'
import { type Clock, errorMessage, type Log, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import { DriverMissingError } from './csi-volume.ts'
import type { PluginManager } from './plugin-manager.ts'
import type { Volumes } from './volumes.ts'

export interface PodVolumes {
  /** Makes every volume ready, however long it takes. Rejects when the pod ends. @returns their paths on the machine, by name. */
  setUp(): Promise<Map<string, string>>
  /** Refreshes every volume at intervals, until the signal aborts. */
  refresh(signal: AbortSignal): Promise<void>
  /** Releases every volume, however long it takes; gives up when the signal aborts. */
  release(signal: AbortSignal): Promise<void>
}

export interface PodVolumesOptions {
  volumes: Volumes
  plugins: PluginManager
  clock: Clock
  log: Log
  /** Time between two refreshes, in milliseconds. */
  syncFrequencyMs: number
  /** The current pod. */
  pod(): Pod
  /** Aborts when the pod ends. */
  ending: AbortSignal
  /** Called when a volume could not be mounted; the message is kubelet's. */
  onFailure(message: string): void
}

/** kubelet's delays between attempts. */
const attempts = { initialMs: 500, maxMs: 122_000, jitter: 0 }

/** The volumes of one pod. Every operation is retried until it succeeds. */
export function createPodVolumes(options: PodVolumesOptions): PodVolumes {
  const { volumes, plugins, clock, log, syncFrequencyMs, pod, ending } = options
  const all = () => pod().spec.volumes ?? []

  function failed({ name }: Volume, error: unknown): void {
    options.onFailure(`MountVolume.SetUp failed for volume "${name}" : ${errorMessage(error)}`)
  }

  async function setUpOne(volume: Volume): Promise<[name: string, path: string]> {
    const backoff = createBackoff(attempts)
    for (;;) {
      ending.throwIfAborted()
      try {
        return [volume.name, await volumes.setUp(pod(), volume)]
      } catch (error) {
        failed(volume, error)
        await waitAfter(error, backoff.next())
      }
    }
  }

  /** Waits `ms`, or until the driver that was missing registers. */
  async function waitAfter(error: unknown, ms: number): Promise<void> {
    const waited = new AbortController()
    const signal = AbortSignal.any([ending, waited.signal])
    const arrival = error instanceof DriverMissingError ? [plugins.nextRegistration(error.driver, signal)] : []
    await Promise.race([sleep(ms, { clock, signal }), ...arrival]).finally(() => waited.abort(new Error('waited')))
  }

  async function refreshOne(volume: Volume, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff(attempts)
    let delay = syncFrequencyMs
    for (;;) {
      await sleep(delay, { clock, signal }).catch(() => undefined)
      if (signal.aborted) return
      try {
        await volumes.refresh(pod(), volume)
        backoff.reset()
        delay = syncFrequencyMs
      } catch (error) {
        failed(volume, error)
        delay = backoff.next()
      }
    }
  }

  return {
    async setUp() {
      // Waits for all of them, so that none is published after the pod's volumes are released.
      const results = await Promise.allSettled(all().map(setUpOne))
      ending.throwIfAborted()
      return new Map(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])))
    },
    async refresh(signal) {
      await Promise.all(all().map((volume) => refreshOne(volume, signal)))
    },
    release: (signal) => releaseVolumes(pod().metadata.uid ?? '', { volumes, clock, log, signal }),
  }
}

/** Releases the volumes of a pod, also of one that no longer exists. Gives up when the signal aborts. */
export async function releaseVolumes(
  podUid: string,
  { volumes, clock, log, signal }: { volumes: Volumes; clock: Clock; log: Log; signal: AbortSignal },
): Promise<void> {
  const backoff = createBackoff(attempts)
  for (;;) {
    try {
      return await volumes.tearDown(podUid)
    } catch (error) {
      log.warn({ podUid, reason: errorMessage(error) }, 'volumes could not be released')
      if (signal.aborted) return
      await sleep(backoff.next(), { clock, signal }).catch(() => undefined)
    }
  }
}
