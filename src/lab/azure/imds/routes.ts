import type { Clock } from '#lib'
import type { AccessTokens } from '../entra/access-tokens.ts'
import { managedIdentityTokenSeconds } from '../entra/limits.ts'
import { isAudience } from '../entra/resources.ts'
import { describeGap } from '../http/known-gaps.ts'
import { json, type Service } from '../http/service.ts'
import { type AssignedIdentity, chooseIdentity } from './choose-identity.ts'
import { ImdsError, parseTokenQuery } from './token-query.ts'

export interface ImdsOptions {
  tokens: AccessTokens
  /** Audiences of every service that tokens are issued for. */
  audiences: readonly string[]
  /** The identities of the machine that asks. */
  assigned: () => readonly AssignedIdentity[]
  clock: Clock
}

const tokenPath = '/metadata/identity/oauth2/token'

/** The address that every machine of Azure knows it by, and the name its faults are set under. */
export const imdsHost = '169.254.169.254'

/** The instance metadata service, as far as tokens. https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
export function createImds({ tokens, audiences, assigned, clock }: ImdsOptions): Service {
  async function token(query: URLSearchParams): Promise<Response> {
    const parsed = parseTokenQuery(query)
    const identity = chooseIdentity(parsed, assigned())
    const { resource } = parsed
    if (!isAudience(resource, audiences)) {
      throw new ImdsError(
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

  return {
    operations: [{ operation: 'imds.token', method: 'GET', path: tokenPath }],
    async fetch(request, exchange) {
      exchange.operation = 'imds.other'
      const forwarded = request.headers.has('x-forwarded-for')
      if (forwarded) return refusal(403, 'forbidden', 'Requests with X-Forwarded-For are not answered')
      if (request.headers.get('metadata')?.toLowerCase() !== 'true') {
        return refusal(400, 'bad_request_102', 'Required metadata header not specified')
      }
      // Some SDKs put a slash behind the path.
      if (exchange.url.pathname.replace(/\/+$/, '') !== tokenPath) {
        return refusal(
          501,
          'not_implemented',
          `The local Azure does not implement ${describeGap('imds', request.method, exchange.url.pathname)} of IMDS.`,
        )
      }
      if (request.method !== 'GET') return refusal(405, 'method_not_allowed', 'Only GET is allowed')
      exchange.operation = 'imds.token'
      try {
        return await token(exchange.url.searchParams)
      } catch (error) {
        if (error instanceof ImdsError) return refusal(400, error.error, error.message)
        throw error
      }
    },
    refuse: ({ status, code, message, headers }) => json(status, { error: code, error_description: message }, headers),
  }
}

function refusal(status: number, error: string, description: string): Response {
  return json(status, { error, error_description: description })
}
