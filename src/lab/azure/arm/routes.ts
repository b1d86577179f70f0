import type { z } from 'zod'
import type { RoleAssignments } from '../access/role-assignments.ts'
import type { Tenant } from '../directory/tenant.ts'
import type { AccessTokenClaims } from '../entra/access-tokens.ts'
import { describeGap } from '../http/known-gaps.ts'
import { Refusal } from '../http/refusal.ts'
import { type RoutedRequest, routeOperations } from '../http/route-operations.ts'
import { type Exchange, json, type OperationRow, type Service } from '../http/service.ts'
import { type ArmAuthority, authenticate } from './authenticate.ts'
import { armErrorResponse } from './error-response.ts'
import { type ArmAnswer, type ArmOperation, invalidBody } from './operation.ts'
import { canonicalPath, targetOf } from './resource-path.ts'
import type { ResourceGroups } from './resources/resource-groups.ts'

export interface ArmOptions {
  authority: ArmAuthority
  tenant: Tenant
  groups: ResourceGroups
  roles: RoleAssignments
  operations: readonly ArmOperation[]
}

/** Azure Resource Manager. Behind `management.azure.com`. */
export function createArm(options: ArmOptions): Service {
  return {
    operations: options.operations.map(rowOf),
    fetch: routeOperations({
      operations: options.operations,
      pathOf: (url) => canonicalPath(url.pathname),
      answer: (routed) => answerRequest(options, routed),
    }),
    refuse: armErrorResponse,
  }
}

function rowOf({ action, ...row }: ArmOperation): OperationRow {
  return { ...row, requires: action === 'filtered' ? undefined : action }
}

/** Everything that happens to a request, in Resource Manager's order. */
async function answerRequest(options: ArmOptions, routed: RoutedRequest<ArmOperation>): Promise<Response> {
  const { request, exchange, operation, names } = routed
  const { url } = exchange
  exchange.operation = 'arm.unauthenticated'
  checkApiVersion(url)
  const caller = await authenticate(request, options.authority)
  if (operation === undefined) throw notImplemented(request, exchange)
  exchange.operation = operation.operation
  checkSubscription(options.tenant, names.subscription)
  const { id: targetId, scope } = targetOf(url.pathname)
  if (operation.action !== 'filtered') checkPermission(options.roles, caller, operation.action, targetId)
  if (names.group !== undefined) checkGroup(options.groups, names.group, operation)
  const answer = await operation.run({
    caller,
    url,
    targetId,
    scope,
    name: (parameter) => names[parameter] ?? '',
    body: (schema) => readBody(request, schema),
    may: (action, id) => options.roles.permits(caller.oid, action, id),
  })
  return responseOf(answer, exchange)
}

function checkApiVersion(url: URL): void {
  const version = url.searchParams.get('api-version') ?? ''
  if (version === '') {
    throw new Refusal(
      400,
      'MissingApiVersionParameter',
      'The api-version query parameter (?api-version=) is required for all requests.',
    )
  }
  if (/^\d{4}-\d{2}-\d{2}(-[a-z]+)?$/i.test(version)) return
  throw new Refusal(
    400,
    'InvalidApiVersionParameter',
    `The api-version '${version}' is invalid. The supported versions have the form YYYY-MM-DD, with or without -preview.`,
  )
}

function notImplemented(request: Request, exchange: Exchange): Refusal {
  exchange.operation = 'arm.notImplemented'
  const gap = describeGap('arm', request.method, canonicalPath(exchange.url.pathname))
  return new Refusal(501, 'NotImplemented', `The local Azure does not implement ${gap} of Resource Manager.`)
}

function checkSubscription({ subscriptionId }: Tenant, subscription: string | undefined): void {
  if (subscription === undefined || subscription.toLowerCase() === subscriptionId) return
  throw new Refusal(404, 'SubscriptionNotFound', `The subscription '${subscription}' could not be found.`)
}

function checkPermission(
  roles: RoleAssignments,
  { oid, appid }: AccessTokenClaims,
  action: string,
  target: string,
): void {
  if (roles.permits(oid, action, target)) return
  throw new Refusal(
    403,
    'AuthorizationFailed',
    `The client '${appid}' with object id '${oid}' does not have authorization to perform action '${action}' over scope '${target}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  )
}

function checkGroup(groups: ResourceGroups, name: string, { method, createsGroup }: ArmOperation): void {
  const group = groups.get(name)
  if (group === undefined) {
    if (createsGroup === true) return
    throw new Refusal(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`)
  }
  const isWrite = !['GET', 'HEAD', 'DELETE'].includes(method)
  if (group.isDeleting !== true || !isWrite) return
  throw new Refusal(
    409,
    'ResourceGroupBeingDeleted',
    `The resource group '${group.name}' is in deprovisioning state and cannot perform this operation.`,
  )
}

async function readBody<T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> {
  let body: unknown
  try {
    body = await request.json()
  } catch {
    throw new Refusal(
      400,
      'InvalidRequestContent',
      'The request content was invalid and could not be deserialized: it is not JSON.',
    )
  }
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw invalidBody(parsed.error)
  return parsed.data
}

function responseOf({ status, body, headers }: ArmAnswer, { requestId }: Exchange): Response {
  const all = { 'x-ms-request-id': requestId, ...headers }
  if (body === undefined) return new Response(null, { status, headers: all })
  return json(status, body, all)
}
