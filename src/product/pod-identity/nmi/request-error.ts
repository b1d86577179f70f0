/** A request that is answered with an error: the status and the text that clients of the field know. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Record<string, string> = {}, options: ErrorOptions = {}) {
    super(message, options)
    this.status = status
    this.headers = headers
  }
}
