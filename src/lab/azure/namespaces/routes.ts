import type { RoleAssignments } from '../access/role-assignments.ts'
import type { GridNamespace, Namespaces } from '../events/namespaces.ts'
import { describeGap } from '../http/known-gaps.ts'
import { readBody } from '../http/read-body.ts'
import { Refusal } from '../http/refusal.ts'
import { type RoutedRequest, routeOperations } from '../http/route-operations.ts'
import { type Exchange, json, type OperationRow, type Service } from '../http/service.ts'
import { authenticate, authorize, dataActionOf, type NamespaceAuthority } from './authenticate.ts'
import { namespaceApiVersions, namespaceLimits } from './limits.ts'
import type { NamespaceOperation } from './operation.ts'

export interface NamespaceServiceOptions {
  authority: NamespaceAuthority
  namespaces: Namespaces
  roles: RoleAssignments
  operations: readonly NamespaceOperation[]
}

/** The topics of Event Grid namespaces. Behind `NAME.REGION-1.eventgrid.azure.net`. */
export function createNamespaceService(options: NamespaceServiceOptions): Service {
  const operations = options.operations.map((operation) => ({ ...operation, path: routeOf(operation.path) }))
  return {
    operations: options.operations.map(rowOf),
    fetch: routeOperations({
      operations,
      pathOf: ({ pathname }) => routeOf(pathname),
      answer: (routed) => answerRequest(options, routed),
    }),
    refuse: errorResponse,
  }
}

function rowOf({ operation, method, path, right }: NamespaceOperation): OperationRow {
  return { operation, method, path, requires: dataActionOf(right) }
}

/** The word after the last colon becomes a segment of its own, which the router matches. */
function routeOf(path: string): string {
  return path.replace(/:(\w+)$/, (whole, word, at: number) => (path[at - 1] === '/' ? whole : `/;${word}`))
}

function errorResponse({ status, code, message, headers }: Refusal, { requestId }: Exchange): Response {
  const all = { 'x-ms-request-id': requestId, 'x-ms-error-code': code, ...headers }
  return json(status, { error: { code, message } }, all)
}

/** Everything that happens to a request, in order. */
async function answerRequest(options: NamespaceServiceOptions, routed: RoutedRequest<NamespaceOperation>) {
  const { request, exchange, operation, names } = routed
  const { url, requestId } = exchange
  const namespace = findNamespace(options, exchange.host)
  exchange.operation = 'eventgrid.unauthenticated'
  const caller = await authenticate(request, options.authority)
  checkApiVersion(url)
  if (operation === undefined) throw notImplemented(request, exchange)
  exchange.operation = operation.operation
  checkNetwork(namespace)
  const target = targetOf(options, namespace, names)
  authorize(caller, operation.right, target.id, options.roles)
  const answer = await operation.run({
    namespace,
    topic: target.topic(),
    subscription: target.subscription,
    url,
    headers: request.headers,
    signal: request.signal,
    body: () => readJson(request),
  })
  return json(200, answer, { 'x-ms-request-id': requestId })
}

function findNamespace({ namespaces }: NamespaceServiceOptions, host: string): GridNamespace {
  const namespace = namespaces.ofHost(host)
  if (namespace !== undefined) return namespace
  throw new Refusal(404, 'ResourceNotFound', `There is no namespace '${host}': Azure would not resolve it.`)
}

function checkApiVersion({ searchParams }: URL): void {
  const version = searchParams.get('api-version') ?? ''
  if (namespaceApiVersions.some((known) => known === version)) return
  const message = `The api-version '${version}' is not supported: it is one of ${namespaceApiVersions.join(', ')}.`
  throw new Refusal(400, 'UnsupportedApiVersion', message)
}

function notImplemented(request: Request, exchange: Exchange): Refusal {
  exchange.operation = 'eventgrid.notImplemented'
  const gap = describeGap('eventgrid', request.method, exchange.url.pathname)
  return new Refusal(501, 'NotImplemented', `The local Azure does not implement ${gap} of Event Grid namespaces.`)
}

function checkNetwork({ publicNetworkAccess }: GridNamespace): void {
  if (publicNetworkAccess === 'Enabled') return
  throw new Refusal(403, 'Forbidden', 'Public network access is disabled, and the request came by no private link.')
}

/** What the path names: its id, on which permissions are checked before its existence shows, and its records. */
function targetOf(
  { namespaces }: NamespaceServiceOptions,
  namespace: GridNamespace,
  names: Readonly<Record<string, string>>,
) {
  const { topic: topicName = '', eventSubscription: subscriptionName } = names
  const topicId = `${namespace.id}/topics/${topicName}`
  const id = subscriptionName === undefined ? topicId : `${topicId}/eventSubscriptions/${subscriptionName}`
  return {
    id,
    topic() {
      const topic = namespaces.topics.get(topicId)
      if (topic !== undefined) return topic
      throw new Refusal(404, 'ResourceNotFound', `There is no topic '${topicName}' in '${namespace.name}'.`)
    },
    subscription() {
      const subscription = namespaces.subscriptions.get(id)
      if (subscription !== undefined) return subscription
      const message = `The topic '${topicName}' has no event subscription '${subscriptionName}'.`
      throw new Refusal(404, 'ResourceNotFound', message)
    },
  }
}

async function readJson(request: Request): Promise<unknown> {
  const { value: most } = namespaceLimits.bodyBytes
  const body = await readBody(request, most)
  if (body === undefined) throw new Refusal(413, 'PayloadTooLarge', `The body has more than ${most} bytes.`)
  try {
    return JSON.parse(body)
  } catch {
    throw new Refusal(400, 'BadRequest', 'The body is not JSON.')
  }
}
