import type { Clock } from '#lib'
import type { RoleAssignments } from '../access/role-assignments.ts'
import { describeGap } from '../http/known-gaps.ts'
import { readBody } from '../http/read-body.ts'
import { Refusal } from '../http/refusal.ts'
import { type RoutedRequest, routeOperations } from '../http/route-operations.ts'
import type { Exchange, OperationRow, Service } from '../http/service.ts'
import type { Cloud } from '../proxy/clouds.ts'
import { queueAccountOfHost } from '../proxy/served-hosts.ts'
import type { StorageAccount, StorageAccounts } from './accounts.ts'
import { authenticate, authorize, type StorageAuthority } from './authenticate.ts'
import { StorageRefusal, storageErrorResponse, tooLarge } from './error-response.ts'
import { newestVersion, storageLimits } from './limits.ts'
import { type QueueAnswer, type QueueOperation, queryChoices } from './operation.ts'
import { xmlResponse } from './xml-response.ts'

export interface QueueServiceOptions {
  cloud: Cloud
  authority: StorageAuthority
  accounts: StorageAccounts
  roles: RoleAssignments
  operations: readonly QueueOperation[]
  clock: Clock
}

/** The queue service of storage accounts. Behind `NAME.queue.core.windows.net`. */
export function createQueueService(options: QueueServiceOptions): Service {
  const routes = options.operations.map((operation) => ({ ...operation, path: routeOf(operation) }))
  return {
    operations: options.operations.map(rowOf),
    fetch: routeOperations({ operations: routes, pathOf, answer: (routed) => answerRequest(options, routed) }),
    refuse: storageErrorResponse,
  }
}

function rowOf({ operation, method, permission, ...row }: QueueOperation): OperationRow {
  const requires = permission.map((actions) => actions.map((action) => `${actionPrefix}${action}`).join(' and '))
  return { operation, method, path: targetOf(row), requires: requires.join(' or ') }
}

const actionPrefix = 'Microsoft.Storage/storageAccounts/queueServices/'

function targetOf({ path, query }: Pick<QueueOperation, 'path' | 'query'>): string {
  return query === undefined ? path : `${path}?${query}`
}

/** The query parameter that chooses the operation becomes the last segment of the path, which the router matches. */
function routeOf({ path, query }: Pick<QueueOperation, 'path' | 'query'>): string {
  return query === undefined ? path : `${path === '/' ? '' : path}/;${query}`
}

function pathOf(url: URL): string {
  const query = queryChoices.find((choice) => {
    const [name = '', value] = choice.split('=')
    return url.searchParams.get(name)?.toLowerCase() === value
  })
  const path = url.pathname.replace(/\/+$/, '')
  return routeOf({ path: path === '' ? '/' : path, query })
}

/** Everything that happens to a request, in the order of the storage services. */
async function answerRequest(options: QueueServiceOptions, routed: RoutedRequest<QueueOperation>): Promise<Response> {
  const { request, exchange, operation, names } = routed
  const { url } = exchange
  const now = options.clock.now()
  const account = findAccount(options, exchange.host)
  exchange.operation = 'queue.unauthenticated'
  checkVersion(request)
  const caller = await authenticate({ request, url, account, now }, options.authority)
  if (operation === undefined) throw notImplemented(request, exchange)
  exchange.operation = operation.operation
  checkNetwork(account)
  const { queue: queueName = '', message: messageId = '' } = names
  authorize(caller, operation.permission, { account, queueName }, options.roles)
  const { headers } = request
  const body = () => textOf(request)
  const answer = await operation.run({ account, queueName, messageId, url, headers, now, body })
  return responseOf(answer, request, exchange)
}

function findAccount({ cloud, accounts }: QueueServiceOptions, host: string): StorageAccount {
  const name = queueAccountOfHost(cloud, host) ?? ''
  const account = accounts.get(name)
  if (account !== undefined) return account
  throw new Refusal(404, 'ResourceNotFound', `There is no storage account '${name}': Azure would not resolve ${host}.`)
}

function checkVersion(request: Request): void {
  const version = request.headers.get('x-ms-version')
  if (version === null || /^\d{4}-\d{2}-\d{2}$/.test(version)) return
  throw new StorageRefusal(
    400,
    'InvalidHeaderValue',
    'The value for one of the HTTP headers is not in the correct format.',
    { HeaderName: 'x-ms-version', HeaderValue: version },
  )
}

function notImplemented(request: Request, exchange: Exchange): Refusal {
  exchange.operation = 'queue.notImplemented'
  const { pathname, searchParams } = exchange.url
  const comp = searchParams.get('comp')
  const gap = describeGap('queue', request.method, comp === null ? pathname : `${pathname}?comp=${comp}`)
  return new Refusal(501, 'NotImplemented', `The local Azure does not implement ${gap} of the queue service.`)
}

/** The lab has no client addresses to compare rules with: `defaultAction: Deny` keeps every client out. */
function checkNetwork({ properties }: StorageAccount): void {
  if (properties.publicNetworkAccess === 'Enabled' && properties.networkAcls.defaultAction === 'Allow') return
  throw new StorageRefusal(403, 'AuthorizationFailure', 'This request is not authorized to perform this operation.')
}

async function textOf(request: Request): Promise<string> {
  const { value: most } = storageLimits.bodyBytes
  const body = await readBody(request, most)
  if (body === undefined) throw tooLarge(most)
  return body
}

function responseOf({ status, headers, xml }: QueueAnswer, request: Request, { requestId }: Exchange): Response {
  const clientId = request.headers.get('x-ms-client-request-id')
  const all = {
    'x-ms-request-id': requestId,
    'x-ms-version': request.headers.get('x-ms-version') ?? newestVersion,
    ...(clientId === null ? {} : { 'x-ms-client-request-id': clientId }),
    ...headers,
  }
  return xml === undefined ? new Response(null, { status, headers: all }) : xmlResponse(status, xml, all)
}
