import { isConflict } from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running } from '#lib'
import { createBackoff } from '#lib/async'

export interface StepLoop extends Running {
  /** Runs the step at once for 0, or else after this many milliseconds. */
  wake(afterMs: number): void
}

const checkMs = 3600 * 1000

/** Runs `step`, one at a time: when woken, hourly, and again with back-off after a failure. */
export function createStepLoop(step: () => Promise<void>, { clock, log }: { clock: Clock; log: Log }): StepLoop {
  const backoff = createBackoff({ initialMs: 100, maxMs: 30_000 })
  let running: Promise<void> | undefined
  let again = false
  let stopped = false
  let cancel = () => {}

  function wake(afterMs: number): void {
    if (stopped) return
    if (afterMs > 0) {
      cancel()
      cancel = clock.after(afterMs, () => wake(0))
      return
    }
    again = true
    running ??= run().finally(() => {
      running = undefined
    })
  }

  async function run(): Promise<void> {
    while (again && !stopped) {
      again = false
      cancel()
      cancel = clock.after(checkMs, () => wake(0))
      try {
        await step()
        backoff.reset()
      } catch (error) {
        // Another replica wrote first: its change arrives as an event.
        if (isConflict(error)) log.debug('another replica was faster')
        else log.warn({ err: error }, `certificates: ${errorMessage(error)}`)
        wake(backoff.next())
      }
    }
  }

  return {
    wake,
    async stop() {
      stopped = true
      cancel()
      await running
    },
  }
}
