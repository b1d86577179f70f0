import type { Clock } from '#lib'
import type { AccessTokens } from '../entra/access-tokens.ts'
import { managedIdentityTokenSeconds } from '../entra/limits.ts'
import { isAudience } from '../entra/resources.ts'
import { describeGap } from '../http/known-gaps.ts'
import { Refusal } from '../http/refusal.ts'
import { type Exchange, json, type Service } from '../http/service.ts'
import { type AssignedIdentity, chooseIdentity } from './choose-identity.ts'
import { parseTokenQuery } from './token-query.ts'

export interface ImdsOptions {
  tokens: AccessTokens
  /** Audiences of every service that tokens are issued for. */
  audiences: readonly string[]
  /** The identities of the machine that sends the request. */
  assigned: () => readonly AssignedIdentity[]
  clock: Clock
}

const tokenPath = '/metadata/identity/oauth2/token'

/** The address of IMDS on every Azure machine, and the name that its faults are set under. */
export const imdsHost = '169.254.169.254'

/** The token endpoint of the instance metadata service. https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
export function createImds(options: ImdsOptions): Service {
  return {
    operations: [{ operation: 'imds.token', method: 'GET', path: tokenPath }],
    async fetch(request, exchange) {
      exchange.operation = 'imds.other'
      checkRequest(request, exchange)
      exchange.operation = 'imds.token'
      return token(options, exchange.url.searchParams)
    },
    refuse: ({ status, code, message, headers }) => json(status, { error: code, error_description: message }, headers),
  }
}

/** Throws {@link Refusal} unless this is a request for a token. */
function checkRequest(request: Request, { url }: Exchange): void {
  if (request.headers.has('x-forwarded-for')) {
    throw new Refusal(403, 'forbidden', 'Requests with X-Forwarded-For are not answered')
  }
  if (request.headers.get('metadata')?.toLowerCase() !== 'true') {
    throw new Refusal(400, 'bad_request_102', 'Required metadata header not specified')
  }
  // Some SDKs append a slash to the path.
  if (url.pathname.replace(/(?<!\/)\/+$/, '') !== tokenPath) {
    const gap = describeGap('imds', request.method, url.pathname)
    throw new Refusal(501, 'not_implemented', `The local Azure does not implement ${gap} of IMDS.`)
  }
  if (request.method !== 'GET') throw new Refusal(405, 'method_not_allowed', 'Only GET is allowed')
}

async function token({ tokens, audiences, assigned, clock }: ImdsOptions, query: URLSearchParams): Promise<Response> {
  const parsed = parseTokenQuery(query)
  const identity = chooseIdentity(parsed, assigned())
  const { resource } = parsed
  if (!isAudience(resource, audiences)) {
    throw new Refusal(
      400,
      'invalid_resource',
      `AADSTS500011: The resource principal named ${resource} was not found in the tenant.`,
    )
  }
  const accessToken = await tokens.issue({
    audience: resource,
    appId: identity.clientId,
    objectId: identity.objectId,
    appidacr: '2',
    lifetimeSeconds: managedIdentityTokenSeconds,
    resourceId: identity.resourceId,
  })
  const now = Math.floor(clock.now() / 1000)
  return json(200, {
    access_token: accessToken,
    client_id: identity.clientId,
    expires_in: String(managedIdentityTokenSeconds),
    expires_on: String(now + managedIdentityTokenSeconds),
    ext_expires_in: String(managedIdentityTokenSeconds),
    not_before: String(now - 300),
    resource,
    token_type: 'Bearer',
  })
}
