import { json } from '../http/service.ts'

/** A refusal of Entra: an OAuth error with an AADSTS code. https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
export class EntraError extends Error {
  override readonly name = 'EntraError'
  readonly status: number
  /** The OAuth error, for example `invalid_client`. */
  readonly error: string
  /** The AADSTS number. */
  readonly code: number

  constructor(status: number, error: string, code: number, text: string) {
    super(`AADSTS${code}: ${text}`)
    this.status = status
    this.error = error
    this.code = code
  }
}

/** The body that MSAL and `az` take apart and print. */
export function entraErrorResponse(error: EntraError, now: number, requestId: string, correlationId: string): Response {
  const timestamp = `${new Date(now).toISOString().slice(0, 19).replace('T', ' ')}Z`
  return json(error.status, {
    error: error.error,
    error_description: `${error.message} Trace ID: ${requestId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
    error_codes: [error.code],
    timestamp,
    trace_id: requestId,
    correlation_id: correlationId,
    error_uri: `https://login.microsoftonline.com/error?code=${error.code}`,
  })
}
