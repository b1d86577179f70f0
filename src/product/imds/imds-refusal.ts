import type { ServerResponse } from 'node:http'
import { CodedError } from '#lib'

/** Values of the member `error` of a refusal, as IMDS and Entra name them. */
export type ImdsRefusalCode =
  | 'invalid_request'
  | 'invalid_resource'
  | 'method_not_allowed'
  | 'not_found'
  | 'forbidden'
  | 'uri_too_long'
  | 'too_many_requests'
  | 'internal_error'
  | 'bad_gateway'
  | 'service_unavailable'
  | 'loop_detected'

/**
 * A request to the address of IMDS that is answered with an error. Clients retry after 404, 410, 429 and 5xx, and give up
 * after other 4xx.
 * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
 */
export class ImdsRefusal extends CodedError<ImdsRefusalCode> {
  /** HTTP status of the answer. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: ImdsRefusalCode,
    message: string,
    options: ErrorOptions & { headers?: Record<string, string> | undefined } = {},
  ) {
    super(code, message, { ...options, retryable: status === 429 || status >= 500 })
    this.status = status
    this.headers = options.headers ?? {}
  }
}

/** Answers in the form of IMDS: `{"error": …, "error_description": …}`. */
export function sendRefusal(
  response: ServerResponse,
  { status, code, message, headers }: ImdsRefusal,
  contentType = 'application/json',
): void {
  sendJson(response, status, { error: code, error_description: message }, { 'content-type': contentType, ...headers })
}

/** Answers with one line of JSON. An answer that has already begun is cut off, so that its reader notices. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendText(response, status, `${JSON.stringify(body)}\n`, { 'content-type': 'application/json', ...headers })
}

/** Answers with this text. An answer that has already begun is cut off, so that its reader notices. */
export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text)
}
