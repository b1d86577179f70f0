import { Hono } from 'hono'
import type { Clock } from '../../lib/index.ts'
import type { Directory, ServicePrincipal } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import { type Exchange, json, type Service } from '../http/service.ts'
import type { Cloud } from '../proxy/clouds.ts'
import type { AccessTokens } from './access-tokens.ts'
import { instanceDiscovery, openIdConfiguration } from './discovery.ts'
import { EntraError, entraErrorResponse } from './error-response.ts'
import type { AssertionVerifier } from './federated-assertion.ts'
import { applicationTokenSeconds, managedIdentityTokenSeconds } from './limits.ts'
import { audiencesOf, isAudience } from './resources.ts'
import { parseTokenRequest, type TokenRequestForm } from './token-request.ts'

export interface EntraOptions {
  cloud: Cloud
  tenant: Tenant
  directory: Directory
  tokens: AccessTokens
  assertions: AssertionVerifier
  clock: Clock
}

/** Microsoft Entra ID: discovery, keys and tokens. Behind `login.microsoftonline.com`. */
export function createEntra(options: EntraOptions): Service {
  const { cloud, tenant, directory, tokens, assertions, clock } = options
  const knownAudiences = Object.values(audiencesOf(cloud)).flat()

  /** The id of the tenant that a URL names. Throws when there is none of that name. */
  function tenantIdOf(segment: string): string {
    const name = segment.toLowerCase()
    if ([tenant.tenantId, tenant.domain, 'common', 'organizations'].includes(name)) return tenant.tenantId
    throw new EntraError(
      400,
      'invalid_tenant',
      90002,
      `Tenant '${segment}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
    )
  }

  async function grant(form: TokenRequestForm) {
    const principal = findClient(form.clientId)
    await authenticate(form, principal)
    if (!isAudience(form.audience, knownAudiences)) {
      throw new EntraError(
        400,
        'invalid_resource',
        500011,
        `The resource principal named ${form.audience} was not found in the tenant named ${tenant.displayName}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.`,
      )
    }
    const lifetimeSeconds =
      principal.servicePrincipalType === 'ManagedIdentity' ? managedIdentityTokenSeconds : applicationTokenSeconds
    const token = await tokens.issue({
      audience: form.audience,
      appId: principal.appId,
      objectId: principal.id,
      appidacr: form.proof.kind === 'secret' ? '1' : '2',
      lifetimeSeconds,
      resourceId: principal.resourceId,
    })
    return { token, lifetimeSeconds }
  }

  function findClient(clientId: string): ServicePrincipal {
    const principal = directory.servicePrincipalOfApp(clientId)
    if (principal !== undefined) return principal
    throw new EntraError(
      400,
      'unauthorized_client',
      700016,
      `Application with identifier '${clientId}' was not found in the directory '${tenant.displayName}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
    )
  }

  async function authenticate({ clientId, proof }: TokenRequestForm, principal: ServicePrincipal): Promise<void> {
    if (proof.kind === 'assertion') {
      const credentials = directory.federatedCredentials.of(principal.appId)
      return assertions.verify(proof.assertion, { clientId, displayName: principal.displayName, credentials })
    }
    const verdict = directory.checkPassword(clientId, proof.secret)
    if (verdict === 'expired') {
      throw new EntraError(
        401,
        'invalid_client',
        7000222,
        `The provided client secret keys for app '${clientId}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.`,
      )
    }
    if (verdict === 'wrong') {
      throw new EntraError(
        401,
        'invalid_client',
        7000215,
        `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
      )
    }
  }

  const app = new Hono<{ Bindings: Exchange }>({ strict: false })

  app.get('/common/discovery/instance', (c) => {
    c.env.operation = 'entra.instanceDiscovery'
    const endpoint = URL.parse(c.env.url.searchParams.get('authorization_endpoint') ?? '')
    const document = endpoint === null ? undefined : instanceDiscovery(cloud, endpoint)
    if (document !== undefined) return json(200, document)
    throw new EntraError(400, 'invalid_instance', 50049, 'Unknown or invalid instance.')
  })
  for (const [version, prefix] of [
    ['v2', '/v2.0'],
    ['v1', ''],
  ] as const) {
    app.get(`/:tenant${prefix}/.well-known/openid-configuration`, (c) => {
      c.env.operation = 'entra.openIdConfiguration'
      const segment = c.req.param('tenant').toLowerCase()
      return json(200, openIdConfiguration(cloud, { segment, tenantId: tenantIdOf(segment) }, version))
    })
    app.get(`/:tenant/discovery${prefix}/keys`, (c) => {
      c.env.operation = 'entra.keys'
      tenantIdOf(c.req.param('tenant'))
      return json(200, tokens.jwks)
    })
    app.post(`/:tenant/oauth2${prefix}/token`, async (c) => {
      c.env.operation = 'entra.token'
      tenantIdOf(c.req.param('tenant'))
      const form = parseTokenRequest(new URLSearchParams(await c.req.text()), version)
      const { token, lifetimeSeconds } = await grant(form)
      return tokenResponse(version, { token, lifetimeSeconds, audience: form.audience, now: clock.now() })
    })
  }
  app.notFound((c) => {
    c.env.operation = 'entra.notImplemented'
    throw new EntraError(
      501,
      'not_implemented',
      90093,
      `The local Azure does not implement ${c.req.method} ${c.req.path}.`,
    )
  })

  const respond = (error: EntraError, exchange: Exchange) =>
    entraErrorResponse(
      error,
      clock.now(),
      exchange.requestId,
      exchange.url.searchParams.get('client-request-id') ?? exchange.requestId,
    )
  app.onError((error, c) => {
    if (error instanceof EntraError) return respond(error, c.env)
    throw error
  })

  return {
    fetch: async (request, exchange) => app.fetch(request, exchange),
    refuse: ({ status, message, headers }, exchange) => {
      const code = status === 429 ? 90025 : status >= 500 ? 90033 : 90100
      const error = status >= 500 || status === 429 ? 'temporarily_unavailable' : 'invalid_request'
      const response = respond(new EntraError(status, error, code, message), exchange)
      for (const [name, value] of Object.entries(headers ?? {})) response.headers.set(name, value)
      return response
    },
  }
}

/** Numbers in v2 and strings in v1: clients of each compute with what they know. */
function tokenResponse(
  version: 'v1' | 'v2',
  { token, lifetimeSeconds, audience, now }: { token: string; lifetimeSeconds: number; audience: string; now: number },
): Response {
  const noStore = { 'cache-control': 'no-store, no-cache', pragma: 'no-cache' }
  if (version === 'v2') {
    const body = {
      token_type: 'Bearer',
      expires_in: lifetimeSeconds,
      ext_expires_in: lifetimeSeconds,
      access_token: token,
    }
    return json(200, body, noStore)
  }
  const nowSeconds = Math.floor(now / 1000)
  return json(
    200,
    {
      token_type: 'Bearer',
      expires_in: String(lifetimeSeconds),
      ext_expires_in: String(lifetimeSeconds),
      expires_on: String(nowSeconds + lifetimeSeconds),
      not_before: String(nowSeconds - 300),
      resource: audience,
      access_token: token,
    },
    noStore,
  )
}
