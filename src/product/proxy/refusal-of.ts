import { IdentityError } from '#azure/identity'
import { errorMessage } from '#lib'
import { HttpFault } from '#lib/http'
import { ImdsRefusal } from '#product/imds'

/** Any failure as IMDS would answer it. */
export function refusalOf(error: unknown): ImdsRefusal {
  if (error instanceof ImdsRefusal) return error
  if (!(error instanceof IdentityError)) {
    return new ImdsRefusal(500, 'internal_error', errorMessage(error), { cause: error })
  }
  const { code, message, retryable } = error
  if (code === 'entra-throttled') {
    const headers = { 'retry-after': String(retryAfterSeconds(error)) }
    return new ImdsRefusal(429, 'too_many_requests', message, { cause: error, headers })
  }
  if (retryable) return new ImdsRefusal(503, 'service_unavailable', message, { cause: error })
  const imdsCode = code === 'entra-resource-unknown' ? 'invalid_resource' : 'invalid_request'
  return new ImdsRefusal(400, imdsCode, message, { cause: error })
}

function retryAfterSeconds({ cause }: IdentityError): number {
  const waitMs = cause instanceof HttpFault ? (cause.retryAfterMs ?? 1000) : 1000
  return Math.ceil(waitMs / 1000)
}
