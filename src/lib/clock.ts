/** Time, injected so that tests control it. Everything that waits or compares times takes a `Clock`. */
export interface Clock {
  /**
   * Milliseconds since the Unix epoch. Only for times that leave the process or come from outside (timestamps, token
   * expiry): the wall clock may jump in either direction.
   */
  now(): number
  /** Milliseconds since an arbitrary start; never goes back. For spans: timeouts, intervals, ages of what we hold. */
  elapsed(): number
  /** Calls `run` once after `ms` milliseconds; the returned function cancels it. Never keeps the process alive by itself. */
  after(ms: number, run: () => void): () => void
}

/** The real time of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/**
 * Resolves after `ms` milliseconds of `clock`, or rejects with the signal's reason as soon as it aborts. Without a clock it waits in real
 * time, and keeps the process alive until then.
 */
export function sleep(ms: number, options: { clock?: Clock; signal?: AbortSignal | undefined } = {}): Promise<void> {
  const { clock, signal } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      cancel()
      reject(signal?.reason)
    }
    const onTime = () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }
    const cancel = clock === undefined ? afterRealTime(ms, onTime) : clock.after(ms, onTime)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

function afterRealTime(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}

/** A time in RFC 3339 with whole seconds, as Kubernetes writes it: `2026-04-30T10:11:12Z`. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
