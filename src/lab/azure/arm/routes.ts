import { Hono } from 'hono'
import type { z } from 'zod'
import type { RoleAssignments } from '../access/role-assignments.ts'
import type { Tenant } from '../directory/tenant.ts'
import type { AccessTokenClaims } from '../entra/access-tokens.ts'
import { describeGap } from '../http/known-gaps.ts'
import { type Exchange, json, type Service } from '../http/service.ts'
import { type ArmAuthority, authenticate } from './authenticate.ts'
import { ArmError, armErrorResponse } from './error-response.ts'
import { type ArmOperation, invalidBody } from './operation.ts'
import { canonicalPath, targetOf } from './resource-path.ts'
import type { ResourceGroups } from './resources/resource-groups.ts'

export interface ArmOptions {
  authority: ArmAuthority
  tenant: Tenant
  groups: ResourceGroups
  roles: RoleAssignments
  operations: readonly ArmOperation[]
}

interface Bindings {
  exchange: Exchange
  caller: AccessTokenClaims
}

/** Azure Resource Manager. Behind `management.azure.com`. */
export function createArm({ authority, tenant, groups, roles, operations }: ArmOptions): Service {
  const app = new Hono<{ Bindings: Bindings }>({ getPath: ({ url }) => canonicalPath(new URL(url).pathname) })

  for (const { operation, method, path, action, makesGroup, run } of operations) {
    // Hono hands HEAD to the handlers of GET; here it is an operation of its own.
    app.on(method === 'HEAD' ? 'GET' : method, path, async (c, next) => {
      if ((c.req.method === 'HEAD') !== (method === 'HEAD')) return next()
      const { exchange, caller } = c.env
      exchange.operation = operation
      const { subscription, group } = c.req.param() as Record<string, string>
      checkSubscription(subscription)
      const target = targetOf(exchange.url.pathname)
      if (action !== 'filtered') checkPermission(caller, action, target.id)
      if (group !== undefined) checkGroup(group, { isWrite: !['GET', 'HEAD', 'DELETE'].includes(method), makesGroup })
      const answer = await run({
        caller,
        url: exchange.url,
        targetId: target.id,
        scope: target.scope,
        name: (parameter) => c.req.param(parameter) ?? '',
        body: (schema) => readBody(c.req.raw, schema),
        may: (other, id) => roles.permits(caller.oid, other, id),
      })
      const headers = { 'x-ms-request-id': exchange.requestId, ...answer.headers }
      if (answer.body === undefined) return new Response(null, { status: answer.status, headers })
      return json(answer.status, answer.body, headers)
    })
  }
  app.notFound((c) => {
    c.env.exchange.operation = 'arm.notImplemented'
    throw new ArmError(
      501,
      'NotImplemented',
      `The local Azure does not implement ${describeGap('arm', c.req.method, c.req.path)} of Resource Manager.`,
    )
  })
  app.onError((error) => {
    throw error
  })

  function checkSubscription(subscription: string | undefined): void {
    if (subscription === undefined || subscription.toLowerCase() === tenant.subscriptionId) return
    throw new ArmError(404, 'SubscriptionNotFound', `The subscription '${subscription}' could not be found.`)
  }

  function checkPermission({ oid, appid }: AccessTokenClaims, action: string, target: string): void {
    if (roles.permits(oid, action, target)) return
    throw new ArmError(
      403,
      'AuthorizationFailed',
      `The client '${appid}' with object id '${oid}' does not have authorization to perform action '${action}' over scope '${target}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
    )
  }

  function checkGroup(name: string, { isWrite, makesGroup }: { isWrite: boolean; makesGroup?: boolean | undefined }) {
    const group = groups.get(name)
    if (group === undefined) {
      if (makesGroup === true) return
      throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`)
    }
    if (group.isDeleting !== true || !isWrite) return
    throw new ArmError(
      409,
      'ResourceGroupBeingDeleted',
      `The resource group '${group.name}' is in deprovisioning state and cannot perform this operation.`,
    )
  }

  return {
    operations,
    async fetch(request, exchange) {
      try {
        exchange.operation = 'arm.unauthenticated'
        checkApiVersion(exchange.url)
        const caller = await authenticate(request, authority)
        return await app.fetch(request, { exchange, caller })
      } catch (error) {
        if (error instanceof ArmError) return armErrorResponse(error)
        throw error
      }
    },
    refuse: ({ status, code, message, headers }) => armErrorResponse(new ArmError(status, code, message, headers)),
  }
}

function checkApiVersion(url: URL): void {
  const version = url.searchParams.get('api-version') ?? ''
  if (version === '') {
    throw new ArmError(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.',
    )
  }
  if (!/^\d{4}-\d{2}-\d{2}(-[a-z]+)?$/i.test(version)) {
    throw new ArmError(
      400,
      'InvalidApiVersionParameter',
      `The api-version '${version}' is invalid. The supported versions have the form YYYY-MM-DD, with or without -preview.`,
    )
  }
}

async function readBody<T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> {
  let body: unknown
  try {
    body = await request.json()
  } catch {
    throw new ArmError(
      400,
      'InvalidRequestContent',
      'The request content was invalid and could not be deserialized: it is not JSON.',
    )
  }
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw invalidBody(parsed.error)
  return parsed.data
}
