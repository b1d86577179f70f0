import { type Clock, sleep } from './clock.ts'
import type { Log } from './log.ts'
import { errorMessage } from './problem.ts'

/** Something that was started and can be stopped; `stop` awaits what it began and may be called twice. */
export interface Running {
  stop(): Promise<void>
  /** Resolves when it should be stopped though no signal has come. */
  stopRequested?: Promise<void> | undefined
}

/** Begins work that goes on until it is stopped: `stop` aborts the signal and waits for the end. The work does not reject. */
export function runUntilStopped(work: (signal: AbortSignal) => Promise<void>): Running {
  const abort = new AbortController()
  const ended = work(abort.signal)
  return {
    async stop() {
      abort.abort(new Error('stopped'))
      await ended
    },
  }
}

/** Runs `step` after `firstMs`, by default at once, and again after the milliseconds that each run gives, until it is stopped. `step` does not reject. */
export function repeat(
  step: (signal: AbortSignal) => Promise<number>,
  { clock, firstMs = 0 }: { clock: Clock; firstMs?: number | undefined },
): Running {
  return runUntilStopped(async (signal) => {
    if (firstMs > 0) await sleep(firstMs, { clock, signal }).catch(() => undefined)
    while (!signal.aborted) {
      const waitMs = await step(signal)
      await sleep(waitMs, { clock, signal }).catch(() => undefined)
    }
  })
}

/**
 * The life of a daemon: starts it, waits for SIGTERM or SIGINT, stops it, and gives the exit status.
 * A second signal, or a stop that takes longer than `graceMs` (default 10,000), ends the process with status 1.
 */
export async function runUntilSignal(start: () => Promise<Running>, log: Log, graceMs = 10_000): Promise<number> {
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    let seen = false
    const onSignal = (signal: NodeJS.Signals) => {
      if (seen) process.exit(1)
      seen = true
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
  let running: Running
  try {
    running = await start()
  } catch (error) {
    log.fatal({ err: error }, `cannot start: ${errorMessage(error)}`)
    return 1
  }
  const requested = running.stopRequested?.then(() => 'stop requested')
  const signal = await (requested === undefined ? signalled : Promise.race([signalled, requested]))
  log.info({ signal }, 'stopping')
  const forced = setTimeout(() => {
    log.error({ graceMs }, 'did not stop in time')
    process.exit(1)
  }, graceMs)
  await running.stop()
  clearTimeout(forced)
  return 0
}
