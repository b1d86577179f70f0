import { type Clock, systemClock } from '#lib'

/** Whether a promise is fulfilled or rejected within this time; false at once when the signal aborts. The work behind it goes on. */
export function endsWithin(
  work: Promise<unknown>,
  ms: number,
  { clock = systemClock, signal }: { clock?: Clock | undefined; signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isSettled: boolean) => {
      cancel()
      signal?.removeEventListener('abort', onAbort)
      resolve(isSettled)
    }
    const onAbort = () => end(false)
    const cancel = clock.after(ms, () => end(false))
    // Also with a signal that has aborted, so that a rejection is handled.
    work.then(
      () => end(true),
      () => end(true),
    )
    if (signal?.aborted) end(false)
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
