import type { RoleAssignments } from '../access/role-assignments.ts'
import type { AccessTokenClaims, AccessTokenFault, AccessTokens } from '../entra/access-tokens.ts'
import { isAudience } from '../entra/resources.ts'
import { bearerToken } from '../http/bearer-token.ts'
import type { Refusal } from '../http/refusal.ts'
import type { StorageAccount } from './accounts.ts'
import { StorageRefusal } from './error-response.ts'
import { oldestBearerVersion, sharedKeySkewMs } from './limits.ts'
import type { QueuePermission } from './operation.ts'
import { isSignedBy, type SignedRequest, stringToSign } from './shared-key.ts'

export interface StorageAuthority {
  tokens: AccessTokens
  tenantId: string
  /** `https://login.microsoftonline.com` */
  login: string
  /** Audience of tokens for all storage accounts: `https://storage.azure.com`. */
  audiences: readonly string[]
}

/** Who calls: the holder of an account key, who may do everything, or a principal with its roles. */
export type StorageCaller = { kind: 'key' } | { kind: 'principal'; claims: AccessTokenClaims }

export interface StorageRequest {
  request: Request
  url: URL
  account: StorageAccount
  /** Milliseconds since the epoch. */
  now: number
}

/** Throws {@link Refusal} for a caller whose proof is missing or wrong. */
export async function authenticate(from: StorageRequest, authority: StorageAuthority): Promise<StorageCaller> {
  const header = from.request.headers.get('authorization')
  if (header === null) {
    if (from.url.searchParams.has('sig')) throw noSharedAccessSignatures()
    throw challenge(
      authority,
      'NoAuthenticationInformation',
      'Server failed to authenticate the request. Please refer to the information in the www-authenticate header.',
    )
  }
  const token = bearerToken(from.request)
  if (token !== undefined) return { kind: 'principal', claims: await verifyToken(from, token, authority) }
  verifySharedKey(from, header)
  return { kind: 'key' }
}

function noSharedAccessSignatures(): Refusal {
  return new StorageRefusal(
    501,
    'NotImplemented',
    'The local Azure does not implement shared access signatures: use a bearer token or an account key.',
  )
}

async function verifyToken({ request }: StorageRequest, token: string, authority: StorageAuthority) {
  const version = request.headers.get('x-ms-version') ?? ''
  if (version < oldestBearerVersion) {
    const detail = `A bearer token needs x-ms-version ${oldestBearerVersion} or later: found '${version}'.`
    throw invalidToken(authority, detail)
  }
  const claims = await authority.tokens.verify(token, (fault) => invalidToken(authority, faultDetails[fault]))
  if (isAudience(claims.aud, authority.audiences)) return claims
  throw invalidToken(authority, 'Audience validation failed. Audience did not match.')
}

const faultDetails: Readonly<Record<AccessTokenFault, string>> = {
  malformed: 'Token is malformed.',
  signature: 'Signature validation failed.',
  expired: 'Lifetime validation failed. The token is expired.',
  'not-yet-valid': 'Lifetime validation failed. The token is not yet valid.',
}

function invalidToken(authority: StorageAuthority, detail: string): Refusal {
  return challenge(authority, 'InvalidAuthenticationInfo', notAuthenticated, detail)
}

const notAuthenticated =
  'Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.'

function challenge({ login, tenantId }: StorageAuthority, code: string, message: string, detail?: string): Refusal {
  const header = `Bearer authorization_uri=${login}/${tenantId}/oauth2/authorize resource_id=https://storage.azure.com`
  const details = detail === undefined ? {} : { AuthenticationErrorDetail: detail }
  return new StorageRefusal(401, code, message, details, { headers: { 'www-authenticate': header } })
}

const sharedKeyPattern = /^SharedKey ([a-z0-9]{3,24}):([A-Za-z0-9+/=]{1,128})$/

function verifySharedKey({ request, url, account, now }: StorageRequest, header: string): void {
  const [, name, signature] = sharedKeyPattern.exec(header) ?? []
  if (name === undefined || signature === undefined) {
    throw new StorageRefusal(
      400,
      'InvalidAuthenticationInfo',
      'Authentication information is not given in the correct format. Check the value of Authorization header.',
    )
  }
  if (!account.properties.allowSharedKeyAccess) {
    throw new StorageRefusal(
      403,
      'KeyBasedAuthenticationNotPermitted',
      'Key based authentication is not permitted on this storage account.',
    )
  }
  const sentAt = Date.parse(request.headers.get('x-ms-date') ?? request.headers.get('date') ?? '')
  if (!(Math.abs(sentAt - now) <= sharedKeySkewMs)) throw notSigned('Request date header too old or missing.')
  const signed: SignedRequest = { method: request.method, url, headers: request.headers, account: name }
  const keys = account.keys.map(({ value }) => value)
  if (name === account.name && isSignedBy(signed, signature, keys)) return
  const text = JSON.stringify(stringToSign(signed)).slice(1, -1)
  throw notSigned(
    `The MAC signature found in the HTTP request is not the same as any computed signature. Server used following string to sign: '${text}'.`,
  )
}

function notSigned(detail: string): Refusal {
  return new StorageRefusal(403, 'AuthenticationFailed', notAuthenticated, { AuthenticationErrorDetail: detail })
}

/** Throws the {@link Refusal} 403 unless the caller may do the operation on the queue, or on the account when there is none. */
export function authorize(
  caller: StorageCaller,
  permission: QueuePermission,
  { account, queueName }: { account: StorageAccount; queueName: string },
  roles: RoleAssignments,
): void {
  if (caller.kind === 'key') return
  const { oid } = caller.claims
  const service = `${account.id}/queueServices/default`
  const resource = queueName === '' ? service : `${service}/queues/${queueName}`
  if (permission.some((actions) => actions.every((action) => permits(roles, oid, action, resource)))) return
  throw new StorageRefusal(
    403,
    'AuthorizationPermissionMismatch',
    'This request is not authorized to perform this operation using this permission.',
  )
}

/** Queues are managed with actions, messages with data actions. */
function permits(roles: RoleAssignments, oid: string, action: string, resource: string): boolean {
  const name = `Microsoft.Storage/storageAccounts/queueServices/${action}`
  return action.startsWith('queues/messages/')
    ? roles.permitsData(oid, name, resource)
    : roles.permits(oid, name, resource)
}
