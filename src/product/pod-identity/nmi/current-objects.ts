import type { Following } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { ImdsRefusal } from '#product/imds'

/**
 * A watch that has been silent for longer may have lost its connection: the API server sends a bookmark about once a minute.
 * Meanwhile an address may belong to another pod, and an identity may have been taken from one.
 */
export const maxSilenceMs = 90_000

export interface CurrentObjects<T> {
  following: Pick<Following, 'silentMs'>
  /** The objects as the watch reported them. */
  watched(): readonly T[]
  /** The objects as the API server has them now. */
  list(): Promise<readonly T[]>
  /** What they are, for the error. */
  what: string
}

/** Objects to decide about a token with: those of a watch that is up to date, or else of the API server. Throws `ImdsRefusal`. */
export async function currentObjects<T>({ following, watched, list, what }: CurrentObjects<T>): Promise<readonly T[]> {
  if (following.silentMs() <= maxSilenceMs) return watched()
  try {
    return await list()
  } catch (error) {
    const message = `the list of ${what} is out of date, and the API server does not answer: ${errorMessage(error)}`
    const headers = { 'retry-after': '5' }
    throw new ImdsRefusal(503, 'service_unavailable', message, { cause: error, headers })
  }
}
