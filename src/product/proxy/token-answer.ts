import type { AccessToken } from '#azure/identity'
import type { Clock } from '#lib'
import type { TokenRequest } from './imds-request.ts'

/** Seconds by which clients are told less than there is, so that no token ends on its way to them. */
const spareSeconds = 10

/** What IMDS answers; numbers are strings there, and clients of the field were written for it. */
export function tokenAnswer({ clientId, resource }: TokenRequest, { token, expiresAt }: AccessToken, clock: Clock) {
  const expiresOn = Math.floor(expiresAt / 1000)
  const expiresIn = String(Math.max(expiresOn - Math.ceil(clock.now() / 1000) - spareSeconds, 0))
  return {
    access_token: token.revealText(),
    refresh_token: '',
    client_id: clientId,
    expires_in: expiresIn,
    expires_on: String(expiresOn),
    ext_expires_in: expiresIn,
    not_before: '0',
    resource,
    token_type: 'Bearer',
  }
}
