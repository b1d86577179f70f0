/** What a request for a managed identity's token names. */
export interface TokenQuery {
  resource: string
  /** Which identity, when the machine has several. */
  identity: { by: 'clientId' | 'objectId' | 'resourceId'; value: string } | undefined
}

/** A refusal of IMDS, always with status 400: clients retry on 404 and give up on 400. */
export class ImdsError extends Error {
  override readonly name = 'ImdsError'
  readonly error: string

  constructor(error: string, description: string) {
    super(description)
    this.error = error
  }
}

const selectors = [
  ['client_id', 'clientId'],
  ['object_id', 'objectId'],
  ['msi_res_id', 'resourceId'],
  ['mi_res_id', 'resourceId'],
] as const

/** Reads the query of `/metadata/identity/oauth2/token`. Throws {@link ImdsError}. */
export function parseTokenQuery(query: URLSearchParams): TokenQuery {
  if (!query.get('api-version'))
    throw new ImdsError('invalid_request', "Required query variable 'api-version' is missing")
  const resource = query.get('resource')
  if (!resource) throw new ImdsError('invalid_request', "Required query variable 'resource' is missing")
  const named = selectors.flatMap(([parameter, by]) => {
    const value = query.get(parameter)
    return value === null || value === '' ? [] : [{ by, value: value.toLowerCase() }]
  })
  if (named.length > 1) {
    throw new ImdsError('invalid_request', 'Only one of client_id, object_id and msi_res_id may be specified')
  }
  return { resource, identity: named[0] }
}
