import { type Clock, systemClock } from '#lib'

/** Whether a promise is fulfilled or rejected within this time; false at once when the signal aborts. The work behind it goes on. */
export function endsWithin(
  work: Promise<unknown>,
  ms: number,
  { clock = systemClock, signal }: { clock?: Clock | undefined; signal?: AbortSignal | undefined } = {},
): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(false)
    const end = (isSettled: boolean) => {
      cancel()
      signal?.removeEventListener('abort', onAbort)
      resolve(isSettled)
    }
    const onAbort = () => end(false)
    const cancel = clock.after(ms, () => end(false))
    signal?.addEventListener('abort', onAbort, { once: true })
    work.then(
      () => end(true),
      () => end(true),
    )
  })
}
