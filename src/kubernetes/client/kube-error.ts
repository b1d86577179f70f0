import { CodedError } from '#lib'
import { parseJson, recordOf, stringOf, valueAt } from '#lib/formats'
import { HttpFault } from '#lib/http'

export interface KubeErrorOptions extends ErrorOptions {
  /** HTTP status, 0 when there was no complete answer. */
  status: number
  reason?: string | undefined
  retryAfterSeconds?: number | undefined
  /** The server's own text, without the request. Default: the message. */
  serverMessage?: string | undefined
  /** Default: for the statuses of a server that is overloaded or on its way out. */
  retryable?: boolean | undefined
}

/** An answer of the API server that is not a success, or no complete answer. `code` is the HTTP status, or 0. */
export class KubeError extends CodedError<number> {
  /** Kubernetes reason such as `NotFound`, `Conflict`, `Forbidden`; empty when the body was not a Status. */
  readonly reason: string
  /** Seconds that the server asks to wait, from a Status or a `Retry-After` header. */
  readonly retryAfterSeconds: number | undefined
  /** The server's own text, without the request that the message begins with. */
  readonly serverMessage: string

  constructor(message: string, options: KubeErrorOptions) {
    const { status, reason = '', retryAfterSeconds, retryable = passing.has(status), cause } = options
    super(status, message, { cause, retryable })
    this.reason = reason
    this.retryAfterSeconds = retryAfterSeconds
    this.serverMessage = options.serverMessage ?? message
  }

  /** HTTP status, 0 when there was no complete answer. */
  get status(): number {
    return this.code
  }

  /** Reads the Status object of a failed request. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
  static fromResponse(what: string, status: number, body: string, retryAfter: string | undefined): KubeError {
    const answer = statusOf(body)
    const message = stringOf(answer.message) ?? `HTTP ${status} ${body.slice(0, 200)}`
    const asked = valueAt(answer, 'details', 'retryAfterSeconds') ?? retryAfter
    const seconds = asked === undefined ? Number.NaN : Number(asked)
    return new KubeError(`${what}: ${shortened(message)}`, {
      status,
      reason: stringOf(answer.reason),
      serverMessage: shortened(message),
      retryAfterSeconds: Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined,
    })
  }
}

const passing = new Set([0, 408, 429, 500, 502, 503, 504])

/** An admission plug-in may put any amount of text into a message. */
const maxMessageLength = 2000

function shortened(message: string): string {
  return message.length > maxMessageLength ? `${message.slice(0, maxMessageLength - 1)}…` : message
}

function statusOf(body: string): Record<string, unknown> {
  try {
    return recordOf(parseJson('the Status', body)) ?? {}
  } catch {
    return {}
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404
}

/** The result of a call; undefined where the API server answers that there is no such object. */
export async function ifFound<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

/** Whether the object of a call exists, by the API server's answer to it. */
export async function wasFound(call: Promise<unknown>): Promise<boolean> {
  return (await ifFound(call.then(() => true))) ?? false
}

export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409
}

export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeError && error.reason === 'AlreadyExists'
}

export function isForbidden(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403
}

/** Whether the version asked for, or the continuation of a list, is no longer kept by the server. */
export function isExpired(error: unknown): boolean {
  return error instanceof KubeError && error.status === 410
}

/** Whether an answer had more bytes than the client accepts. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof KubeError && error.cause instanceof HttpFault && error.cause.code === 'too-large'
}
