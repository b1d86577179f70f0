import { type AccessTokenClaims, type AccessTokens, TokenError } from '../entra/access-tokens.ts'
import { isAudience } from '../entra/resources.ts'
import { bearerToken } from '../http/bearer-token.ts'
import { ArmError } from './error-response.ts'

export interface ArmAuthority {
  tokens: AccessTokens
  tenantId: string
  login: string
  audiences: readonly string[]
}

/** Who calls. Throws {@link ArmError} 401 with the texts that `az` and the SDKs react to. */
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
    if (!(error instanceof TokenError)) throw error
    if (error.fault === 'expired') {
      throw refusal(
        authority,
        'ExpiredAuthenticationToken',
        'The access token expiry UTC time is earlier than current UTC time.',
      )
    }
    throw refusal(authority, 'InvalidAuthenticationToken', 'The access token is invalid.')
  }
}

function refusal({ login, tenantId }: ArmAuthority, code: string, message: string): ArmError {
  return new ArmError(401, code, message, {
    'www-authenticate': `Bearer authorization_uri="${login}/${tenantId}", error="invalid_token", error_description="${message.replaceAll('"', "'")}"`,
  })
}
