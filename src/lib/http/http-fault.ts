import { CodedError, errorCode, errorMessage } from '#lib'

export type HttpFaultCode =
  | 'dns'
  | 'refused'
  | 'tls'
  | 'proxy'
  | 'proxy-failed'
  | 'timeout'
  | 'connection'
  | 'too-large'
  | 'throttled'
  | 'aborted'

/** No answer: which host, and what kind of failure. The message is fit for users. */
export class HttpFault extends CodedError<HttpFaultCode> {
  readonly host: string
  /** For `throttled`: when the host may be asked again, in milliseconds from now. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: HttpFaultCode,
    host: string,
    message: string,
    options: ErrorOptions & { retryAfterMs?: number | undefined } = {},
  ) {
    // A name that does not resolve, a certificate that is not trusted and a caller who left do not get better by asking again.
    super(code, message, { ...options, retryable: ['refused', 'timeout', 'connection', 'throttled'].includes(code) })
    this.host = host
    this.retryAfterMs = options.retryAfterMs
  }
}

/** Names the kind of failure behind what Node threw. https://nodejs.org/api/errors.html#nodejs-error-codes */
export function httpFault(host: string, cause: unknown): HttpFault {
  if (cause instanceof HttpFault) return cause
  const code = errorCode(cause) ?? ''
  const text = errorMessage(cause) || code
  const fault = (kind: HttpFaultCode, message: string) => new HttpFault(kind, host, message, { cause })
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) {
    return fault('dns', `the name ${host} cannot be resolved (${code})`)
  }
  if (code === 'ECONNREFUSED') return fault('refused', `${host} refused the connection (${text})`)
  if (code === 'ERR_PROXY_TUNNEL') {
    // A proxy that forbids the host answers 403 or 407; one that cannot reach it, or is stopping, answers 5xx or nothing.
    const isRefusal = Math.floor(Number((cause as { statusCode?: unknown }).statusCode ?? 0) / 100) === 4
    return fault(isRefusal ? 'proxy' : 'proxy-failed', `the HTTPS proxy did not connect to ${host} (${text})`)
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|HOSTNAME/.test(code)) {
    return fault('tls', `no trusted TLS connection to ${host} (${code}: ${text})`)
  }
  if (code === 'ETIMEDOUT') return fault('timeout', `${host} cannot be reached (${text})`)
  return fault('connection', `the connection to ${host} failed (${text})`)
}

export function timedOut(host: string, ms: number): HttpFault {
  return new HttpFault('timeout', host, `no complete answer from ${host} within ${Math.round(ms) / 1000} s`)
}

export function tooLarge(host: string, bytes: number): HttpFault {
  return new HttpFault('too-large', host, `the answer of ${host} is larger than ${bytes} bytes`)
}

export function aborted(host: string, signal: AbortSignal | undefined): HttpFault {
  return new HttpFault('aborted', host, `the call to ${host} was aborted: ${errorMessage(signal?.reason)}`, {
    cause: signal?.reason,
  })
}
