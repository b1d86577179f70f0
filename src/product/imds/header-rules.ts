import type { IncomingHttpHeaders } from 'node:http'
import { ImdsRefusal } from './imds-refusal.ts'

/**
 * IMDS answers only requests with the header `Metadata: true`, which a server that is tricked into fetching a URL does not
 * send. Throws {@link ImdsRefusal} without it.
 *
 * @param spelling `exact` accepts `true` only, as upstream's NMI does; IMDS and upstream's proxy accept any case.
 */
export function requireMetadataHeader({ metadata }: IncomingHttpHeaders, spelling: 'exact' | 'any case'): void {
  const value = String(metadata)
  if ((spelling === 'exact' ? value : value.toLowerCase()) === 'true') return
  throw new ImdsRefusal(400, 'invalid_request', 'Required metadata header not specified')
}

/** IMDS gives no token to a request that passed a proxy: it comes from outside of the machine. Throws {@link ImdsRefusal}. */
export function refuseForwarded(headers: IncomingHttpHeaders): void {
  if (headers['x-forwarded-for'] === undefined) return
  throw new ImdsRefusal(400, 'invalid_request', 'Requests with the header X-Forwarded-For are not answered')
}
