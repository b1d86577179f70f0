import { type AccessTokenClaims, AccessTokenError, type AccessTokens } from '../entra/access-tokens.ts'
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
  const claims = await verify(token, authority)
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

async function verify(token: string, authority: ArmAuthority): Promise<AccessTokenClaims> {
  try {
    return await authority.tokens.verify(token)
  } catch (error) {
    if (!(error instanceof AccessTokenError)) throw error
    if (error.code === 'expired') {
      throw refusal(
        authority,
        'ExpiredAuthenticationToken',
        'The access token expiry UTC time is earlier than current UTC time.',
      )
    }
    throw refusal(authority, 'InvalidAuthenticationToken', 'The access token is invalid.')
  }
}

function refusal({ login, tenantId }: ArmAuthority, code: string, message: string): Refusal {
  const description = message.replaceAll('"', "'")
  const challenge = `Bearer authorization_uri="${login}/${tenantId}", error="invalid_token", error_description="${description}"`
  return new Refusal(401, code, message, { headers: { 'www-authenticate': challenge } })
}
