import type { AccessTokens } from '../entra/access-tokens.ts'
import { isAudience } from '../entra/resources.ts'
import { bearerToken } from '../http/bearer-token.ts'
import { Refusal } from '../http/refusal.ts'

/** Object id of the caller. Throws {@link Refusal} 401. */
export async function authenticate(
  request: Request,
  tokens: AccessTokens,
  audiences: readonly string[],
): Promise<string> {
  const token = bearerToken(request)
  if (token === undefined) throw refusal('Access token is empty.')
  const claims = await tokens.verify(token, (fault) =>
    refusal(
      fault === 'expired' ? 'Lifetime validation failed, the token is expired.' : 'Access token validation failure.',
    ),
  )
  if (!isAudience(claims.aud, audiences)) throw refusal('Access token validation failure. Invalid audience.')
  return claims.oid
}

function refusal(message: string): Refusal {
  return new Refusal(401, 'InvalidAuthenticationToken', message)
}
