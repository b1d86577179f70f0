import { type Clock, sleep, systemClock } from '#lib'

export interface BackoffOptions {
  /** First delay in milliseconds. Default 200. */
  initialMs?: number
  /** Longest delay in milliseconds. Default 10,000. */
  maxMs?: number
  /** Factor from one delay to the next. Default 2. */
  factor?: number
  /** Share of each delay that is random, 0 to 1. Default 0.2. */
  jitter?: number
  /** Random source in [0, 1). */
  random?: () => number
}

/** Successive delays in milliseconds; `reset` starts over. */
export function createBackoff(options: BackoffOptions = {}): { next(): number; reset(): void } {
  const { initialMs = 200, maxMs = 10_000, factor = 2, jitter = 0.2, random = Math.random } = options
  let current = initialMs
  return {
    next() {
      const delay = current * (1 - jitter + jitter * random())
      current = Math.min(current * factor, maxMs)
      return delay
    },
    reset() {
      current = initialMs
    },
  }
}

/** The wait after this many failures in a row, in milliseconds: doubled with each of them. For work whose state is kept elsewhere. */
export function backoffMs(failures: number, { initialMs, maxMs }: { initialMs: number; maxMs: number }): number {
  return Math.min(initialMs * 2 ** Math.min(failures - 1, 30), maxMs)
}

export interface RetryOptions extends BackoffOptions {
  /** Calls in all, the first included. Default 5. */
  attempts?: number
  /** False ends the attempts at once. A number is the delay in milliseconds that the other side asked for. Default: retry everything. */
  shouldRetry?: (error: unknown) => boolean | number
  signal?: AbortSignal | undefined
  clock?: Clock | undefined
}

/** Calls `run` until it succeeds; throws its last error. */
export async function retry<T>(run: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { attempts = 5, shouldRetry = () => true, signal, clock = systemClock } = options
  const backoff = createBackoff(options)
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(attempt)
    } catch (error) {
      const again = attempt < attempts && signal?.aborted !== true ? shouldRetry(error) : false
      if (again === false) throw error
      const delay = backoff.next()
      await sleep(again === true ? delay : Math.max(again, 0), { clock, signal })
    }
  }
}
