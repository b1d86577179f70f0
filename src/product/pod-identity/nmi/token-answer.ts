import type { AccessToken } from '#azure/identity'

/**
 * A token as IMDS gives it. Every value is a string: the Key Vault provider reads numbers out of strings, and an empty one
 * is none.
 */
export function tokenAnswer({ token, expiresAt }: AccessToken, { resource, now }: { resource: string; now: number }) {
  return {
    access_token: token.revealText(),
    refresh_token: '',
    expires_in: String(Math.max(Math.floor((expiresAt - now) / 1000), 0)),
    expires_on: String(Math.floor(expiresAt / 1000)),
    not_before: String(Math.floor(now / 1000)),
    resource,
    token_type: 'Bearer',
  }
}
