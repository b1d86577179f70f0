import { parseJson, recordOf } from '#lib/formats'

/** An answer of the API server that is not a success, or no answer at all (`status` 0). */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  /** HTTP status, 0 when the server could not be reached. */
  readonly status: number
  /** Kubernetes reason such as `NotFound`, `Conflict`, `Forbidden`; empty when the body was no Status. */
  readonly reason: string
  /** Seconds that the server asks to wait, from a Status or a `Retry-After` header. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    message: string,
    options: { status: number; reason?: string; retryAfterSeconds?: number | undefined; cause?: unknown },
  ) {
    super(message, { cause: options.cause })
    this.status = options.status
    this.reason = options.reason ?? ''
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  /** Reads the Status object of a failed request. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
  static fromResponse(what: string, status: number, body: string, retryAfter: string | undefined): KubeError {
    const parsed = parseStatus(body)
    const seconds = parsed.details?.retryAfterSeconds ?? (retryAfter === undefined ? undefined : Number(retryAfter))
    return new KubeError(`${what}: ${parsed.message ?? `HTTP ${status} ${body.slice(0, 200)}`}`, {
      status,
      reason: parsed.reason ?? '',
      retryAfterSeconds: Number.isFinite(seconds) ? seconds : undefined,
    })
  }
}

interface Status {
  message?: string
  reason?: string
  details?: { retryAfterSeconds?: number }
}

function parseStatus(body: string): Status {
  try {
    return (recordOf(parseJson('the Status', body)) as Status | undefined) ?? {}
  } catch {
    return {}
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404
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
