/**
 * The base of every error class of ours: a failure with a stable code, which documentation explains and metrics count.
 * `Code` is a union of strings, or the numbers of a protocol (gRPC, HTTP).
 */
export class CodedError<Code extends string | number = string> extends Error {
  readonly code: Code
  /** Whether the same request may succeed a little later with nothing changed. Default false. */
  readonly retryable: boolean

  constructor(code: Code, message: string, options: ErrorOptions & { retryable?: boolean | undefined } = {}) {
    super(message, options)
    this.name = new.target.name
    this.code = code
    this.retryable = options.retryable ?? false
  }
}
