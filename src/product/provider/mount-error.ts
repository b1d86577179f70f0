import { CodedError, formatProblem, type Problems } from '#lib'
import type { ProviderErrorCode } from '#product/error-catalogue'
import { eventRoom, joinReasons } from './join-reasons.ts'

export interface MountErrorOptions extends ErrorOptions {
  retryable?: boolean
  /** Everything, for the log, where the message has only what an event has room for. */
  whole?: string | undefined
}

/** A Mount that cannot be answered. `message` is the text on the wire; `code` is the entry of the catalogue. */
export class MountError extends CodedError<ProviderErrorCode> {
  override readonly name = 'MountError'
  readonly whole: string | undefined

  constructor(code: ProviderErrorCode, message: string, { whole, ...options }: MountErrorOptions = {}) {
    super(code, message, options)
    this.whole = whole
  }
}

/** What is wrong with the parameters, as much of it as an event has room for. */
export function parameterError(problems: Problems, code: ProviderErrorCode = 'parameters-invalid'): MountError {
  const reasons = problems.list.map(formatProblem)
  const { text, whole } = joinReasons(
    reasons,
    eventRoom,
    (from) => `and ${reasons.length - from} more in the provider’s log`,
  )
  return new MountError(code, text, { whole })
}
