import type { TokenQuery } from '#product/imds'
import { sameId } from '../azure-identity.ts'

/** Whether the query names an identity at all. */
export function namesIdentity({ clientId, resourceId }: TokenQuery): boolean {
  return clientId !== '' || resourceId !== ''
}

/** Whether the identity is the one that the query names; always true when it names none. Case does not matter. */
export function matchesQuery(
  { clientId, resourceId }: TokenQuery,
  { spec }: { spec: { clientID?: string | undefined; resourceID?: string | undefined } },
): boolean {
  if (clientId !== '') return sameId(spec.clientID, clientId)
  return resourceId === '' || sameId(spec.resourceID, resourceId)
}

/** First and last four characters: enough to recognize an id in a log, too little to use it. */
export function redact(id: string): string {
  return id.length <= 8 ? '##### REDACTED #####' : `${id.slice(0, 4)}##### REDACTED #####${id.slice(-4)}`
}
