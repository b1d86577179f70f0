import { CodedError, ProblemsError } from '#lib'

/** Whether a parser may throw this for bad input: a coded error, or a list of problems. */
function isExpected(error: unknown): boolean {
  return error instanceof CodedError || error instanceof ProblemsError
}

/** Runs a parser; what it throws must be of an expected class. Its result, or undefined where it refused the input. */
export function refuses<T>(parse: () => T, also: (error: unknown) => boolean = () => false): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (isExpected(error) || also(error)) return undefined
    throw error
  }
}

/** {@link refuses} for a parser that answers later. */
export async function refusesLater<T>(
  parse: () => Promise<T>,
  also: (error: unknown) => boolean = () => false,
): Promise<T | undefined> {
  try {
    return await parse()
  } catch (error) {
    if (isExpected(error) || also(error)) return undefined
    throw error
  }
}
