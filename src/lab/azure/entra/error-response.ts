import { Refusal } from '../http/refusal.ts'
import { json } from '../http/service.ts'

/** A refusal of Entra: an OAuth error with an AADSTS number. https://learn.microsoft.com/entra/identity-platform/reference-error-codes */
export class EntraRefusal extends Refusal {
  readonly aadsts: number

  /** @param oauthError for example `invalid_client`. */
  constructor(status: number, oauthError: string, aadsts: number, text: string, headers?: Refusal['headers']) {
    super(status, oauthError, `AADSTS${aadsts}: ${text}`, { headers })
    this.aadsts = aadsts
  }
}

/** The body that MSAL and `az` take apart and print. */
export function entraErrorResponse(
  { status, code, aadsts, message, headers }: EntraRefusal,
  now: number,
  requestId: string,
  correlationId: string,
): Response {
  const timestamp = `${new Date(now).toISOString().slice(0, 19).replace('T', ' ')}Z`
  const body = {
    error: code,
    error_description: `${message} Trace ID: ${requestId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`,
    error_codes: [aadsts],
    timestamp,
    trace_id: requestId,
    correlation_id: correlationId,
    error_uri: `https://login.microsoftonline.com/error?code=${aadsts}`,
  }
  return json(status, body, headers)
}

/** A refusal that was decided outside of Entra (a fault, a failure) in Entra's terms. */
export function asEntraRefusal(refusal: Refusal): EntraRefusal {
  if (refusal instanceof EntraRefusal) return refusal
  const { status, message, headers } = refusal
  const [error, aadsts] =
    status === 429
      ? (['temporarily_unavailable', 90025] as const)
      : status >= 500
        ? (['temporarily_unavailable', 90033] as const)
        : (['invalid_request', 90100] as const)
  return new EntraRefusal(status, error, aadsts, message, headers)
}
