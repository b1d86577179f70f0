/** A failure that is told apart by a stable code: what its documentation explains, and metrics count. */
export class CodedError<Code extends string> extends Error {
  readonly code: Code
  /** Whether the same question may succeed a little later with nothing changed. Default false. */
  readonly passing: boolean

  constructor(code: Code, message: string, options: ErrorOptions & { passing?: boolean } = {}) {
    super(message, options)
    this.code = code
    this.passing = options.passing ?? false
  }
}
