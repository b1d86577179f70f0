import { Refusal } from '../http/refusal.ts'
import { json } from '../http/service.ts'

/** A refusal as Microsoft Graph answers it. */
export function graphErrorResponse(
  { status, code, message, headers }: Refusal,
  now: number,
  requestId: string,
): Response {
  const innerError = {
    date: new Date(now).toISOString().slice(0, 19),
    'request-id': requestId,
    'client-request-id': requestId,
  }
  return json(status, { error: { code, message, innerError } }, headers)
}

export function resourceNotFound(id: string): Refusal {
  return new Refusal(
    404,
    'Request_ResourceNotFound',
    `Resource '${id}' does not exist or one of its queried reference-property objects are not present.`,
  )
}

/** Refuses a value that another object has and that must be unique. */
export function alreadyInUse(message: string): Refusal {
  return new Refusal(409, 'Request_MultipleObjectsWithSameKeyValue', message)
}
