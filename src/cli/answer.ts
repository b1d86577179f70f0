import { errorMessage } from '#lib'

/** What was asked for, or why it could not be found out. */
export type Answer<T> = { value: T } | { why: string }

/** Asks, and takes a failure for an answer: the caller goes on with what it has the right to see. */
export async function attempt<T>(ask: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await ask() }
  } catch (error) {
    return { why: errorMessage(error) }
  }
}
