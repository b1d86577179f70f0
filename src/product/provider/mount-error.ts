import { formatProblem, type Problem } from '#lib'
import type { ErrorCode } from './error-catalogue.ts'

/** A Mount that cannot be answered. `message` is the text on the wire; `code` is the entry of the catalogue. */
export class MountError extends Error {
  override readonly name = 'MountError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Everything that is wrong with the parameters, at once. */
export function parameterError(problems: readonly Problem[], code: ErrorCode = 'parameters-invalid'): MountError {
  return new MountError(code, problems.map(formatProblem).join('; '))
}
