import { CodedError, formatProblem, type Problems } from '#lib'
import type { ErrorCode } from './error-catalogue.ts'

/** A Mount that cannot be answered. `message` is the text on the wire; `code` is the entry of the catalogue. */
export class MountError extends CodedError<ErrorCode> {
  override readonly name = 'MountError'
}

/** Everything that is wrong with the parameters, at once. */
export function parameterError(problems: Problems, code: ErrorCode = 'parameters-invalid'): MountError {
  return new MountError(code, problems.list.map(formatProblem).join('; '))
}
