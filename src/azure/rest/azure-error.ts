import type { HttpResponse } from '#lib/http'

/** An answer of Azure that is no success, or the failed end of a long operation. */
export class AzureRestError extends Error {
  override readonly name = 'AzureRestError'
  /** HTTP status; that of the last question for a long operation that failed. */
  readonly status: number
  /** Azure's code, for example `ResourceNotFound` or `Request_MultipleObjectsWithSameKeyValue`; empty when it gave none. */
  readonly code: string
  /** Azure's own words, without the request that this error's message begins with. */
  readonly text: string

  constructor(what: string, { status, code, text }: { status: number; code: string; text: string }) {
    super(`${what}: HTTP ${status} ${code} ${text}`.trim())
    this.status = status
    this.code = code
    this.text = text
  }
}

/** Whether the thing asked for is not there. */
export function isAzureNotFound(error: unknown): error is AzureRestError {
  return error instanceof AzureRestError && (error.status === 404 || error.code === 'Request_ResourceNotFound')
}

/** Whether it is there already: Resource Manager answers 409, Graph 409 or 400 with a code. */
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

/** Resource Manager, Graph and Key Vault answer `{"error":{"code","message"}}`; whatever else stands there is quoted in part. */
function readAzureError(body: string): { code: string; text: string } {
  try {
    const { error } = JSON.parse(body) as { error?: { code?: string; message?: string } }
    return { code: error?.code ?? '', text: error?.message ?? '' }
  } catch {
    return { code: '', text: body.slice(0, 200) }
  }
}
