import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Clock } from '../../lib/index.ts'
import type { Directory, ServicePrincipal } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import { type AccessTokenClaims, type AccessTokens, TokenError } from '../entra/access-tokens.ts'
import { isAudience } from '../entra/resources.ts'
import { bearerToken } from '../http/bearer-token.ts'
import { type FilterClause, parseFilter } from '../http/odata-filter.ts'
import { type Exchange, json, type Service } from '../http/service.ts'
import { GraphError, graphErrorResponse } from './error-response.ts'

export interface GraphOptions {
  tenant: Tenant
  directory: Directory
  tokens: AccessTokens
  audiences: readonly string[]
  clock: Clock
}

type GraphContext = Context<{ Bindings: Exchange }>

const byIdsBody = z.object({ ids: z.array(z.string()), types: z.array(z.string()).optional() })

/** Microsoft Graph, as far as looking up who can be granted access. Behind `graph.microsoft.com`. */
export function createGraph({ tenant, directory, tokens, audiences, clock }: GraphOptions): Service {
  const app = new Hono<{ Bindings: Exchange }>({ strict: false })
  const metadata = 'https://graph.microsoft.com/v1.0/$metadata'

  app.get('/v1.0/me', (c) => {
    c.env.operation = 'graph.me'
    // Every token of the lab belongs to an application or a managed identity, so nobody has a "me".
    throw new GraphError(400, 'BadRequest', '/me request is only valid with delegated authentication flow.')
  })
  app.get('/v1.0/servicePrincipals', (c) => {
    c.env.operation = 'graph.servicePrincipal.list'
    const clauses = clausesOf(c)
    const value = [...directory.servicePrincipals()]
      .map(render)
      .filter((principal) => clauses.every((clause) => satisfies(principal, clause)))
    return json(200, { '@odata.context': `${metadata}#servicePrincipals`, value })
  })
  app.get('/v1.0/servicePrincipals/:id', (c) => {
    c.env.operation = 'graph.servicePrincipal.get'
    const id = c.req.param('id')
    const principal = directory.servicePrincipal(id)
    if (principal === undefined) throw notFound(id)
    return json(200, { '@odata.context': `${metadata}#servicePrincipals/$entity`, ...render(principal) })
  })
  app.post('/v1.0/directoryObjects/getByIds', async (c) => {
    c.env.operation = 'graph.directoryObject.getByIds'
    const body = byIdsBody.safeParse(await c.req.json().catch(() => undefined))
    if (!body.success) throw new GraphError(400, 'Request_BadRequest', z.prettifyError(body.error))
    const found = body.data.ids.flatMap((id) => directory.servicePrincipal(id) ?? [])
    const value = found.map((principal) => ({
      '@odata.type': '#microsoft.graph.servicePrincipal',
      ...render(principal),
    }))
    return json(200, { '@odata.context': `${metadata}#directoryObjects`, value })
  })
  app.notFound((c) => {
    c.env.operation = 'graph.notImplemented'
    throw new GraphError(
      501,
      'NotImplemented',
      `The local Azure does not implement ${c.req.method} ${c.req.path} of Microsoft Graph.`,
    )
  })
  app.onError((error, c) => {
    if (error instanceof GraphError) return graphErrorResponse(error, clock.now(), c.env.requestId)
    throw error
  })

  function render({
    id,
    appId,
    displayName,
    servicePrincipalType,
    accountEnabled,
    createdDateTime,
    resourceId,
  }: ServicePrincipal) {
    return {
      id,
      accountEnabled,
      alternativeNames: resourceId === undefined ? [] : ['isExplicit=True', resourceId],
      appDisplayName: servicePrincipalType === 'Application' ? displayName : null,
      appId,
      appOwnerOrganizationId: servicePrincipalType === 'Application' ? tenant.tenantId : null,
      createdDateTime,
      displayName,
      servicePrincipalNames: [appId],
      servicePrincipalType,
      keyCredentials: [],
      passwordCredentials: [],
    }
  }

  async function authenticate(request: Request): Promise<AccessTokenClaims> {
    const token = bearerToken(request)
    if (token === undefined) throw new GraphError(401, 'InvalidAuthenticationToken', 'Access token is empty.')
    const claims = await tokens.verify(token).catch((error: unknown) => {
      if (!(error instanceof TokenError)) throw error
      throw new GraphError(
        401,
        'InvalidAuthenticationToken',
        error.fault === 'expired'
          ? 'Lifetime validation failed, the token is expired.'
          : 'Access token validation failure.',
      )
    })
    if (!isAudience(claims.aud, audiences))
      throw new GraphError(401, 'InvalidAuthenticationToken', 'Access token validation failure. Invalid audience.')
    if (!directory.hasDirectoryRole(claims.oid)) {
      throw new GraphError(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.')
    }
    return claims
  }

  return {
    async fetch(request, exchange) {
      try {
        exchange.operation = 'graph.unauthenticated'
        await authenticate(request)
        return await app.fetch(request, exchange)
      } catch (error) {
        if (error instanceof GraphError) return graphErrorResponse(error, clock.now(), exchange.requestId)
        throw error
      }
    },
    refuse: ({ status, code, message, headers }, { requestId }) =>
      graphErrorResponse(new GraphError(status, code, message, headers), clock.now(), requestId),
  }
}

function clausesOf(c: GraphContext): FilterClause[] {
  const filter = c.env.url.searchParams.get('$filter') ?? ''
  const clauses = parseFilter(filter)
  if (clauses === undefined)
    throw new GraphError(400, 'Request_UnsupportedQuery', `Unsupported or invalid query filter clause: ${filter}`)
  return clauses
}

function satisfies(object: Record<string, unknown>, clause: FilterClause): boolean {
  const [field, value] =
    clause.kind === 'call' ? [clause.arguments[0] ?? '', clause.arguments[1] ?? ''] : [clause.field, clause.value]
  const found = object[field]
  const isStartsWith = clause.kind === 'call' && clause.name.toLowerCase() === 'startswith'
  if (found === undefined || (clause.kind === 'call' && !isStartsWith)) {
    throw new GraphError(400, 'Request_UnsupportedQuery', `Unsupported query on ${field}.`)
  }
  const wanted = value.toLowerCase()
  if (clause.kind === 'any') return Array.isArray(found) && found.some((word) => String(word).toLowerCase() === wanted)
  const text = String(found).toLowerCase()
  return isStartsWith ? text.startsWith(wanted) : text === wanted
}

function notFound(id: string): GraphError {
  return new GraphError(
    404,
    'Request_ResourceNotFound',
    `Resource '${id}' does not exist or one of its queried reference-property objects are not present.`,
  )
}
