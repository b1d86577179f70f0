import { sleep } from '#lib'

export interface Wait {
  /** Default 60 s. It ends a test that would hang, and promises no speed. */
  withinMs?: number
  /** Time between two tries. Default 10 ms. */
  everyMs?: number
}

/**
 * Calls `look` until it no longer throws and returns its result. When the time is up, throws what `look` threw last.
 * @param wait a number is `withinMs`.
 */
export async function eventually<T>(look: () => Promise<T> | T, wait: Wait | number = {}): Promise<T> {
  const { withinMs = 60_000, everyMs = 10 } = typeof wait === 'number' ? { withinMs: wait } : wait
  const end = performance.now() + withinMs
  for (;;) {
    try {
      return await look()
    } catch (error) {
      if (performance.now() > end) throw error
      await sleep(everyMs)
    }
  }
}

/**
 * Calls `ask` until its result is neither undefined nor false (and it does not throw) and returns the result.
 * @param what what is waited for: it starts the error's message, which ends with what `ask` threw last.
 * @param wait `withinMs` is 240 s by default, `everyMs` 200 ms: most of these wait for a cluster, where kubelet's pause between two attempts
 *   of a mount grows to 122 s.
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  { withinMs = 240_000, everyMs = 200 }: Wait = {},
): Promise<T> {
  const nothing = new Error(`${what}: did not happen within ${withinMs / 1000} s`)
  try {
    return await eventually(
      async () => {
        const answer = await ask()
        if (answer === undefined || answer === false) throw nothing
        return answer
      },
      { withinMs, everyMs },
    )
  } catch (error) {
    if (error === nothing) throw error
    throw new Error(`${nothing.message}; last: ${String(error)}`, { cause: error })
  }
}
