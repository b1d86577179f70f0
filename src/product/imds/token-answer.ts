import type { AccessToken } from '#azure/identity'

export interface TokenAnswerOptions {
  /** As it was requested. */
  resource: string
  /** Milliseconds since the epoch. */
  now: number
  /** Milliseconds by which `expires_in` is shortened, so that a token does not expire on its way to the client. Default 0. */
  marginMs?: number | undefined
}

/**
 * The fields that every answer of IMDS to a token request has. All values are text, numbers included: clients parse them, and
 * take an empty one for absent.
 */
export function tokenAnswer({ token, expiresAt }: AccessToken, { resource, now, marginMs = 0 }: TokenAnswerOptions) {
  const expiresOn = Math.floor(expiresAt / 1000)
  return {
    access_token: token.revealText(),
    refresh_token: '',
    expires_in: String(Math.max(expiresOn - Math.ceil((now + marginMs) / 1000), 0)),
    expires_on: String(expiresOn),
    not_before: String(Math.floor(now / 1000)),
    resource,
    token_type: 'Bearer',
  }
}
