import { errorMessage } from '#lib'

/** Something that was asked for, or why it could not be found out. */
export type Known<T> = { value: T } | { why: string }

/** Asks, and takes a refusal for an answer: whoever asks goes on with what it may see. */
export async function attempt<T>(ask: () => Promise<T>): Promise<Known<T>> {
  try {
    return { value: await ask() }
  } catch (error) {
    return { why: errorMessage(error) }
  }
}
