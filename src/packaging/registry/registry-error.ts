import { CodedError, errorCode } from '#lib'
import { recordOf, stringOf } from '#lib/formats'
import { HttpFault, type HttpResponse } from '#lib/http'

export type RegistryErrorCode =
  /** The registry knows no valid credentials of the caller. */
  | 'unauthorized'
  /** The credentials are valid, and have no right to do this. */
  | 'denied'
  | 'not-found'
  | 'name-invalid'
  | 'speaks-plain-http'
  | 'speaks-tls'
  | 'too-large'
  | 'refused'

/** The registry refused, or cannot be used. The message is fit for users and has no credential. */
export class RegistryError extends CodedError<RegistryErrorCode> {
  readonly status: number

  constructor(
    code: RegistryErrorCode,
    message: string,
    options: ErrorOptions & { status?: number; retryable?: boolean } = {},
  ) {
    super(code, message, options)
    this.status = options.status ?? 0
  }
}

/** An answer that is not the expected one. @param what names the request: `upload of sha256:…`. */
export function refusal(what: string, host: string, response: HttpResponse): RegistryError {
  const { status } = response
  const errors = errorsOf(response)
  const reported = errors
    .map(({ code, message }) => [code, message].filter((text) => text !== '').join(': '))
    .join('; ')
  const codes = errors.map(({ code }) => code)
  const code = codeOf(status, codes, response)
  const text = `${what}: ${host} answered ${status}${reported === '' ? '' : ` (${reported})`}`
  return new RegistryError(code, text, { status, retryable: status === 429 || status >= 500 })
}

function codeOf(status: number, codes: readonly string[], { body }: HttpResponse): RegistryErrorCode {
  if (status === 401) return 'unauthorized'
  if (status === 403) return 'denied'
  if (codes.includes('NAME_INVALID')) return 'name-invalid'
  if (status === 404) return 'not-found'
  if (status === 413) return 'too-large'
  // What servers in Go and nginx answer to plain HTTP on a port of TLS.
  if (status === 400 && /HTTP request (?:to an|was sent to) HTTPS/i.test(body.subarray(0, 1000).toString()))
    return 'speaks-tls'
  return 'refused'
}

const maxErrors = 3
const maxText = 300

/** https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes */
function errorsOf({ body }: HttpResponse): { code: string; message: string }[] {
  try {
    const list = recordOf(JSON.parse(body.toString()))?.errors
    if (!Array.isArray(list)) return []
    return list.slice(0, maxErrors).map((each) => ({
      code: textOf(recordOf(each)?.code),
      message: textOf(recordOf(each)?.message),
    }))
  } catch {
    return []
  }
}

/** What a server sends goes to a terminal. */
function textOf(value: unknown): string {
  return (stringOf(value) ?? '').replace(/[^\x20-\x7e]/g, ' ').slice(0, maxText)
}

/** Names the usual mistake behind a failed handshake: a registry without TLS. Other errors are given back. */
export function explainFault(error: unknown): unknown {
  const code = error instanceof HttpFault ? (errorCode(error.cause) ?? '') : ''
  if (!/EPROTO|WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|RECORD_LAYER/.test(code)) return error
  return new RegistryError('speaks-plain-http', `${(error as HttpFault).host} does not speak TLS (${code})`, {
    cause: error,
  })
}
