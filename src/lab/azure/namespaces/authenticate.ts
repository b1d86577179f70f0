import type { RoleAssignments } from '../access/role-assignments.ts'
import type { AccessTokenClaims, AccessTokens } from '../entra/access-tokens.ts'
import { isAudience } from '../entra/resources.ts'
import { bearerToken } from '../http/bearer-token.ts'
import { Refusal } from '../http/refusal.ts'

export interface NamespaceAuthority {
  tokens: AccessTokens
  /** Audience of tokens for all namespaces: `https://eventgrid.azure.net`. */
  audiences: readonly string[]
}

/** The verified claims of the caller. Throws {@link Refusal} 401. */
export async function authenticate(request: Request, authority: NamespaceAuthority): Promise<AccessTokenClaims> {
  const token = bearerToken(request)
  if (token === undefined) {
    const header = request.headers.get('authorization') ?? ''
    if (/^shared/i.test(header)) throw noKeys()
    throw unauthorized('The request has no token: the Authorization header is missing.')
  }
  const claims = await authority.tokens.verify(token, (fault) =>
    unauthorized(fault === 'expired' ? 'The token has expired.' : 'The token is invalid.'),
  )
  if (isAudience(claims.aud, authority.audiences)) return claims
  throw unauthorized(`The audience of the token is '${claims.aud}'; expected '${authority.audiences.join("' or '")}'.`)
}

function noKeys(): Refusal {
  return new Refusal(
    501,
    'NotImplemented',
    'The local Azure does not implement access keys and shared access signatures of namespaces: use a bearer token.',
  )
}

function unauthorized(message: string): Refusal {
  return new Refusal(401, 'Unauthorized', message, { headers: { 'www-authenticate': 'Bearer' } })
}

export type NamespaceRight = 'send' | 'receive'

/** Throws {@link Refusal} 403 where no role of the caller has the right on the resource. */
export function authorize(
  { oid }: AccessTokenClaims,
  right: NamespaceRight,
  resourceId: string,
  roles: RoleAssignments,
): void {
  const action = dataActionOf(right)
  if (roles.permitsData(oid, action, resourceId)) return
  throw new Refusal(
    403,
    'Forbidden',
    `The principal '${oid}' does not have authorization to perform the data action '${action}' on '${resourceId}'.`,
  )
}

export function dataActionOf(right: NamespaceRight): string {
  return `Microsoft.EventGrid/events/${right}/action`
}
