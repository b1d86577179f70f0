/** Calls that wait for the next event. */
export interface Waiters {
  /** Resolves at the next {@link wakeAll}, or when the signal aborts. */
  next(signal: AbortSignal): Promise<void>
  wakeAll(): void
  readonly count: number
}

export function createWaiters(): Waiters {
  const waiting = new Set<() => void>()
  return {
    next: (signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve()
        const done = () => {
          waiting.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        waiting.add(done)
        signal.addEventListener('abort', done, { once: true })
      }),
    wakeAll() {
      for (const wake of waiting) wake()
    },
    get count() {
      return waiting.size
    },
  }
}
