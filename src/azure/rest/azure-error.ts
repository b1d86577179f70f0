import { CodedError } from '#lib'
import { parseJson, stringOf, valueAt } from '#lib/formats'
import { type HttpResponse, isPassing } from '#lib/http'

/** An answer of Azure that is not a success, or the failed end of a long operation. */
export class AzureRestError extends CodedError {
  override readonly name = 'AzureRestError'
  /** HTTP status; that of the last request for a long operation that failed. */
  readonly status: number
  /** Azure's own words, without the request that this error's message begins with. */
  readonly text: string

  /** @param code Azure's, for example `ResourceNotFound` or `Request_MultipleObjectsWithSameKeyValue`; empty when it gave none. */
  constructor(what: string, { status, code, text }: { status: number; code: string; text: string }) {
    const retryable = isPassing({ status })
    super(code, `${what}: HTTP ${status} ${code} ${text}`.trim(), { retryable })
    this.status = status
    this.text = text
  }
}

/** Whether the object asked for does not exist. */
export function isAzureNotFound(error: unknown): error is AzureRestError {
  return error instanceof AzureRestError && (error.status === 404 || error.code === 'Request_ResourceNotFound')
}

/** Whether it exists already: Resource Manager answers 409, Graph 409 or 400 with a code. */
export function isAzureConflict(error: unknown): error is AzureRestError {
  if (!(error instanceof AzureRestError)) return false
  return error.status === 409 || error.code === 'Request_MultipleObjectsWithSameKeyValue'
}

/** Whether the caller lacks a right. */
export function isAzureForbidden(error: unknown): error is AzureRestError {
  return error instanceof AzureRestError && error.status === 403
}

/** @param what the request in words, for example `GET management.azure.com/subscriptions/…` */
export function azureError(what: string, { status, body }: HttpResponse): AzureRestError {
  return new AzureRestError(what, { status, ...readAzureError(body.toString('utf8')) })
}

/** Resource Manager, Graph and Key Vault answer `{"error":{"code","message"}}`; anything else is quoted in part. */
function readAzureError(body: string): { code: string; text: string } {
  try {
    const parsed = parseJson('the answer', body)
    return {
      code: stringOf(valueAt(parsed, 'error', 'code')) ?? '',
      text: stringOf(valueAt(parsed, 'error', 'message')) ?? '',
    }
  } catch {
    return { code: '', text: body.slice(0, 200) }
  }
}
