/** A refusal of one of the emulated services, in what they have in common; each renders it in its own manner. */
export class ServiceError extends Error {
  readonly status: number
  /** Azure's code, for example `ResourceNotFound`. */
  readonly code: string
  readonly headers: Record<string, string>

  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}
