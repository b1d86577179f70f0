import { type AccessTokens, TokenError } from '../entra/access-tokens.ts'
import { isAudience } from '../entra/resources.ts'
import { bearerToken } from '../http/bearer-token.ts'
import { GraphError } from './error-response.ts'

/** Object id of the caller. Throws {@link GraphError} 401. */
export async function authenticate(
  request: Request,
  tokens: AccessTokens,
  audiences: readonly string[],
): Promise<string> {
  const token = bearerToken(request)
  if (token === undefined) throw refusal('Access token is empty.')
  const claims = await tokens.verify(token).catch((error: unknown) => {
    if (!(error instanceof TokenError)) throw error
    const isExpired = error.fault === 'expired'
    throw refusal(isExpired ? 'Lifetime validation failed, the token is expired.' : 'Access token validation failure.')
  })
  if (!isAudience(claims.aud, audiences)) throw refusal('Access token validation failure. Invalid audience.')
  return claims.oid
}

function refusal(message: string): GraphError {
  return new GraphError(401, 'InvalidAuthenticationToken', message)
}
