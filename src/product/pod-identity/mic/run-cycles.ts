import { type Clock, errorMessage, type Log, type Running, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import type { MicMetrics } from './mic-metrics.ts'
import type { SyncResult } from './sync.ts'

export interface CyclesOptions {
  sync: () => Promise<SyncResult>
  /** Gives machines back the identities that they lack. */
  reconcile: () => Promise<void>
  /** Longest time between two cycles, in milliseconds. */
  syncRetryMs: number
  reconcileMs: number
  metrics: MicMetrics
  log: Log
  clock: Clock
}

export interface Cycles extends Running {
  /** Something changed: a cycle is due. However often this is called, the cycle in progress is followed by one. */
  wake(): void
}

/** After a cycle that had work, so that the next one handles all changes of that time together. */
const pauseMs = 200

/**
 * One cycle at a time: after a change, after a failure (first after five seconds, then after longer and longer waits), and
 * regularly without a reason.
 */
export function runCycles(options: CyclesOptions): Cycles {
  const { sync, reconcile, syncRetryMs, reconcileMs, metrics, log, clock } = options
  const abort = new AbortController()
  const { signal } = abort
  const backoff = createBackoff({ initialMs: 5000, maxMs: syncRetryMs })
  let due = true
  let interrupt = () => {}
  let reconcileAt = clock.elapsed() + reconcileMs

  function wake(): void {
    due = true
    interrupt()
  }

  /** Waits until a cycle is due, at most this long. */
  async function wait(ms: number): Promise<void> {
    if (due) return
    await new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve)
      interrupt = () => {
        cancel()
        resolve()
      }
    })
  }

  async function cycle(): Promise<SyncResult> {
    due = false
    try {
      return await metrics.cycle(sync)
    } catch (error) {
      log.error({ err: error }, `a cycle failed: ${errorMessage(error)}`)
      return { worked: true, complete: false }
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const { worked, complete } = await cycle()
      if (complete) backoff.reset()
      const waitMs = complete ? syncRetryMs : backoff.next()
      if (clock.elapsed() >= reconcileAt) {
        await reconcile().catch((error: unknown) => {
          log.error({ err: error }, `cannot check the identities of machines: ${errorMessage(error)}`)
        })
        reconcileAt = clock.elapsed() + reconcileMs
      }
      if (worked) await sleep(pauseMs, { clock, signal }).catch(() => undefined)
      if (!signal.aborted) await wait(Math.max(Math.min(waitMs, reconcileAt - clock.elapsed()), 0))
    }
  }

  const running = run()
  return {
    wake,
    async stop() {
      abort.abort(new Error('stopped'))
      interrupt()
      await running
    },
  }
}
