import { json } from '../http/service.ts'
import { ServiceError } from '../http/service-error.ts'

/** A refusal of Microsoft Graph. */
export class GraphError extends ServiceError {
  override readonly name = 'GraphError'
}

export function graphErrorResponse(
  { status, code, message, headers }: GraphError,
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

export function resourceNotFound(id: string): GraphError {
  return new GraphError(
    404,
    'Request_ResourceNotFound',
    `Resource '${id}' does not exist or one of its queried reference-property objects are not present.`,
  )
}

/** A value that must be the only one of its kind. */
export function alreadyInUse(message: string): GraphError {
  return new GraphError(409, 'Request_MultipleObjectsWithSameKeyValue', message)
}
