import { Refusal } from '../http/refusal.ts'

/** The query of a request for a managed identity's token. */
export interface TokenQuery {
  resource: string
  /** Which identity, when the machine has several. */
  identity: { by: 'clientId' | 'objectId' | 'resourceId'; value: string } | undefined
}

const selectors = [
  ['client_id', 'clientId'],
  ['object_id', 'objectId'],
  ['msi_res_id', 'resourceId'],
  ['mi_res_id', 'resourceId'],
] as const

/** Reads the query of `/metadata/identity/oauth2/token`. Throws {@link Refusal}. */
export function parseTokenQuery(query: URLSearchParams): TokenQuery {
  if (!query.get('api-version')) throw invalidRequest("Required query variable 'api-version' is missing")
  const resource = query.get('resource')
  if (!resource) throw invalidRequest("Required query variable 'resource' is missing")
  const named = selectors.flatMap(([parameter, by]) => {
    const value = query.get(parameter)
    return value === null || value === '' ? [] : [{ by, value: value.toLowerCase() }]
  })
  if (named.length > 1) throw invalidRequest('Only one of client_id, object_id and msi_res_id may be specified')
  return { resource, identity: named[0] }
}

/** Always status 400: clients retry on 404 and give up on 400. */
export function invalidRequest(message: string): Refusal {
  return new Refusal(400, 'invalid_request', message)
}
