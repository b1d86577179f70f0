import type { ServerResponse } from 'node:http'
import { IdentityError } from '#azure/identity'
import { errorMessage } from '#lib'
import { HttpFault } from '#lib/http'

/**
 * A refusal in the form of IMDS. Clients try again on 404, 410, 429 and 5xx, and give up on 400.
 * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
 */
export class ImdsError extends Error {
  override readonly name = 'ImdsError'
  readonly status: number
  /** Value of the member `error`. */
  readonly error: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, error: string, description: string, headers: Record<string, string> = {}) {
    super(description)
    this.status = status
    this.error = error
    this.headers = headers
  }
}

/** Whatever went wrong, as IMDS would tell it. */
export function imdsError(error: unknown): ImdsError {
  if (error instanceof ImdsError) return error
  if (!(error instanceof IdentityError)) return new ImdsError(500, 'internal_error', errorMessage(error))
  if (error.code === 'entra-throttled') {
    const { cause } = error
    const waitMs = cause instanceof HttpFault ? (cause.retryAfterMs ?? 1000) : 1000
    return new ImdsError(429, 'too_many_requests', error.message, { 'retry-after': String(Math.ceil(waitMs / 1000)) })
  }
  if (error.passing) return new ImdsError(503, 'service_unavailable', error.message)
  return new ImdsError(
    400,
    error.code === 'entra-resource-unknown' ? 'invalid_resource' : 'invalid_request',
    error.message,
  )
}

export function sendImdsError(response: ServerResponse, { status, error, message, headers }: ImdsError): void {
  sendJson(response, status, { error, error_description: message }, headers)
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = `${JSON.stringify(body)}\n`
  response
    .writeHead(status, { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}
