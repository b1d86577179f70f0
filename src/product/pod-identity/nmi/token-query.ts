import { sameId } from '../azure-identity.ts'

/** What a request for a token names. */
export interface TokenQuery {
  /** For whom the token is; empty when the request does not say. */
  resource: string
  clientId: string
  /** Resource Manager's id of the identity. */
  resourceId: string
}

export function parseTokenQuery(target: string): TokenQuery {
  const query = target.includes('?')
    ? new URLSearchParams(target.slice(target.indexOf('?') + 1))
    : new URLSearchParams()
  return {
    resource: query.get('resource') ?? '',
    clientId: query.get('client_id') ?? '',
    resourceId: query.get('msi_res_id') || (query.get('mi_res_id') ?? ''),
  }
}

export function namesIdentity({ clientId, resourceId }: TokenQuery): boolean {
  return clientId !== '' || resourceId !== ''
}

/** Whether the identity is the one that the query names; any, when it names none. Case does not matter. */
export function isMeant(
  { clientId, resourceId }: TokenQuery,
  { spec }: { spec: { clientID?: string; resourceID?: string } },
): boolean {
  if (clientId !== '') return sameId(spec.clientID, clientId)
  return resourceId === '' || sameId(spec.resourceID, resourceId)
}

/** First and last four characters: enough to recognize an id in a log, too little to use it. */
export function redact(id: string): string {
  return id.length <= 8 ? '##### REDACTED #####' : `${id.slice(0, 4)}##### REDACTED #####${id.slice(-4)}`
}
