import type { AccessTokenClaims, AccessTokenFault, AccessTokens } from '../entra/access-tokens.ts'
import { isAudience } from '../entra/resources.ts'
import { bearerToken } from '../http/bearer-token.ts'
import { Refusal } from '../http/refusal.ts'

export interface Authority {
  tokens: AccessTokens
  tenantId: string
  /** `https://login.microsoftonline.com` */
  login: string
  /** The vaults' audience, `https://vault.azure.net`. */
  resource: string
}

/**
 * The verified claims of the caller. Throws the challenge otherwise. It comes before any other check: clients send their
 * first request without a token and without a body, to read tenant and audience from the challenge.
 * https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
 */
export async function authenticate(request: Request, authority: Authority): Promise<AccessTokenClaims> {
  const token = bearerToken(request)
  if (token === undefined) throw challenge(authority, 'AKV10000: Request is missing a Bearer or PoP token.')
  const claims = await authority.tokens.verify(token, (fault) =>
    challenge(authority, faultTexts[fault], 'invalid_token'),
  )
  if (!isAudience(claims.aud, [authority.resource])) {
    throw challenge(
      authority,
      `AKV10022: Invalid audience. Expected ${authority.resource}, found: ${claims.aud}.`,
      'invalid_token',
    )
  }
  return claims
}

const faultTexts: Readonly<Record<AccessTokenFault, string>> = {
  malformed: 'AKV10001: The Bearer token is malformed.',
  signature: 'AKV10032: Invalid issuer or signature: the token was not issued by the tenant of this vault.',
  expired: 'AKV10042: The token has expired.',
  'not-yet-valid': 'AKV10042: The token is not valid yet.',
}

function challenge({ login, tenantId, resource }: Authority, message: string, error?: string): Refusal {
  const header = `Bearer authorization="${login}/${tenantId}", resource="${resource}"`
  return new Refusal(401, 'Unauthorized', message, {
    headers: { 'www-authenticate': error === undefined ? header : `${header}, error="${error}"` },
  })
}
