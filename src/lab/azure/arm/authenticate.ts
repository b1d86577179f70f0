import type { AccessTokenClaims, AccessTokenFault, AccessTokens } from '../entra/access-tokens.ts'
import { isAudience } from '../entra/resources.ts'
import { bearerToken } from '../http/bearer-token.ts'
import { Refusal } from '../http/refusal.ts'

export interface ArmAuthority {
  tokens: AccessTokens
  tenantId: string
  login: string
  audiences: readonly string[]
}

/** The verified claims of the caller. Throws {@link Refusal} 401 with the texts that `az` and the SDKs react to. */
export async function authenticate(request: Request, authority: ArmAuthority): Promise<AccessTokenClaims> {
  const token = bearerToken(request)
  if (token === undefined) {
    throw refusal(authority, 'AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.")
  }
  const claims = await authority.tokens.verify(token, (fault) => invalidToken(authority, fault))
  if (!isAudience(claims.aud, authority.audiences)) {
    const allowed = authority.audiences.flatMap((audience) => [`${audience}/`, audience]).join(',')
    throw refusal(
      authority,
      'InvalidAuthenticationTokenAudience',
      `The access token has been obtained for wrong audience or resource '${claims.aud}'. It should exactly match with one of the allowed audiences '${allowed}'.`,
    )
  }
  return claims
}

function invalidToken(authority: ArmAuthority, fault: AccessTokenFault): Refusal {
  return fault === 'expired'
    ? refusal(
        authority,
        'ExpiredAuthenticationToken',
        'The access token expiry UTC time is earlier than current UTC time.',
      )
    : refusal(authority, 'InvalidAuthenticationToken', 'The access token is invalid.')
}

function refusal({ login, tenantId }: ArmAuthority, code: string, message: string): Refusal {
  const description = message.replaceAll('"', "'")
  const challenge = `Bearer authorization_uri="${login}/${tenantId}", error="invalid_token", error_description="${description}"`
  return new Refusal(401, code, message, { headers: { 'www-authenticate': challenge } })
}
