import { sleep } from '#lib'

export interface PollOptions<T> {
  /** Time between two calls, in milliseconds. */
  everyMs: number
  /** Longest wait in milliseconds. */
  withinMs: number
  /** What is returned, or thrown, when nothing was found in time. */
  late: () => T | Promise<T>
  signal?: AbortSignal | undefined
}

/** Calls `ask` until it gives something other than undefined. Rejects with the signal's reason as soon as it aborts. */
export async function poll<T>(
  ask: () => Promise<T | undefined> | T | undefined,
  { everyMs, withinMs, late, signal }: PollOptions<T>,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    signal?.throwIfAborted()
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) return late()
    await sleep(everyMs, { signal })
  }
}
