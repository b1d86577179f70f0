import type { Clock } from '#lib'
import type { Tenant } from '../directory/tenant.ts'
import { json } from '../http/service.ts'
import type { Cloud } from '../proxy/clouds.ts'
import type { AccessTokens } from './access-tokens.ts'
import { instanceDiscovery, openIdConfiguration, userRealm } from './discovery.ts'
import { EntraRefusal } from './error-response.ts'
import type { EntraCall, EntraOperation } from './operation.ts'
import type { Grant, SignIn } from './sign-in.ts'
import { parseTokenRequest } from './token-request.ts'
import type { UserSignIn } from './user-sign-in.ts'

export interface EntraOperationsOptions {
  cloud: Cloud
  tenant: Tenant
  tokens: AccessTokens
  signIn: SignIn
  userSignIn: UserSignIn
  clock: Clock
}

const versions = [
  { version: 'v2', prefix: '/v2.0' },
  { version: 'v1', prefix: '' },
] as const
type Version = (typeof versions)[number]

/** Discovery, keys and tokens, in both versions. https://learn.microsoft.com/entra/identity-platform/v2-protocols */
export function entraOperations(options: EntraOperationsOptions): EntraOperation[] {
  const { cloud, tenant } = options
  return [
    {
      operation: 'entra.userRealm',
      method: 'GET',
      path: '/:tenant/userrealm/:user',
      run: ({ url }) => json(200, userRealm(url.pathname.split('/').at(-1) ?? '', tenant.domain)),
    },
    {
      operation: 'entra.instanceDiscovery',
      method: 'GET',
      path: '/:tenant/discovery/instance',
      run: (call) => discoverInstance(cloud, call),
    },
    ...versions.flatMap((version) => operationsOf(options, version)),
  ]
}

function discoverInstance(cloud: Cloud, { url }: EntraCall): Response {
  const endpoint = URL.parse(url.searchParams.get('authorization_endpoint') ?? '')
  const document = endpoint === null ? undefined : instanceDiscovery(cloud, endpoint)
  if (document !== undefined) return json(200, document)
  throw new EntraRefusal(400, 'invalid_instance', 50049, 'Unknown or invalid instance.')
}

function operationsOf(options: EntraOperationsOptions, { version, prefix }: Version): EntraOperation[] {
  const { cloud, tenant, tokens, userSignIn } = options
  const { tenantId } = tenant
  return [
    {
      operation: 'entra.openIdConfiguration',
      method: 'GET',
      path: `/:tenant${prefix}/.well-known/openid-configuration`,
      run: ({ tenant: segment }) => json(200, openIdConfiguration(cloud, { segment, tenantId }, version)),
    },
    {
      operation: 'entra.keys',
      method: 'GET',
      path: `/:tenant/discovery${prefix}/keys`,
      run: () => json(200, tokens.jwks),
    },
    {
      operation: 'entra.token',
      method: 'POST',
      path: `/:tenant/oauth2${prefix}/token`,
      run: (call) => answerTokenRequest(options, version, call),
    },
    {
      operation: 'entra.deviceCode',
      method: 'POST',
      path: `/:tenant/oauth2${prefix}/devicecode`,
      run: async (call) => json(200, userSignIn.deviceCode(await call.form())),
    },
    {
      operation: 'entra.authorize',
      method: 'GET',
      path: `/:tenant/oauth2${prefix}/authorize`,
      run: ({ url }) => answerSignInPage(userSignIn.refusalOfPage(url.searchParams), url),
    },
  ]
}

async function answerTokenRequest(
  { userSignIn, signIn, clock }: EntraOperationsOptions,
  version: Version['version'],
  call: EntraCall,
): Promise<Response> {
  const form = await call.form()
  const refusal = userSignIn.refusalOf(form)
  if (refusal !== undefined) throw refusal
  const request = parseTokenRequest(form, version)
  const grant = await signIn(request)
  const body = version === 'v2' ? v2Body(grant) : v1Body(grant, request.audience, clock.now())
  return json(200, body, { 'cache-control': 'no-store, no-cache', pragma: 'no-cache' })
}

/** Numbers in v2 and strings in v1, since the clients of each compute with these types. */
function v2Body({ accessToken, lifetimeSeconds }: Grant) {
  return {
    token_type: 'Bearer',
    expires_in: lifetimeSeconds,
    ext_expires_in: lifetimeSeconds,
    access_token: accessToken,
  }
}

function v1Body({ accessToken, lifetimeSeconds }: Grant, resource: string, now: number) {
  const nowSeconds = Math.floor(now / 1000)
  return {
    token_type: 'Bearer',
    expires_in: String(lifetimeSeconds),
    ext_expires_in: String(lifetimeSeconds),
    expires_on: String(nowSeconds + lifetimeSeconds),
    not_before: String(nowSeconds - 300),
    resource,
    access_token: accessToken,
  }
}

/** Sends the refusal to the client's redirect URL, or else to the browser. */
function answerSignInPage(
  { error, redirect }: ReturnType<UserSignIn['refusalOfPage']>,
  { searchParams }: URL,
): Response {
  if (redirect === undefined) throw error
  const state = searchParams.get('state')
  for (const [name, value] of Object.entries({ error: error.code, error_description: error.message, state })) {
    if (value !== null) redirect.searchParams.set(name, value)
  }
  return new Response(null, { status: 302, headers: { location: redirect.href } })
}
