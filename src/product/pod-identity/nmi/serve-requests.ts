import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { AzureIdentity } from '#kubernetes/client'
import { type Clock, errorMessage, type Log } from '#lib'
import { createFairSlots, type FairSlots } from '#lib/async'
import type { ListenAddress } from '#lib/flags'
import { type Listening, listen } from '#lib/http'
import {
  type ForwardToImds,
  ImdsRefusal,
  parseRequestTarget,
  parseTokenQuery,
  refuseForwarded,
  requireMetadataHeader,
  sendJson,
  sendRefusal,
  sendText,
  type TokenQuery,
  tokenAnswer,
} from '#product/imds'
import { type Exceptions, isExcepted } from './exceptions.ts'
import type { FindIdentity, PodRef } from './find-assigned.ts'
import type { TokensOf } from './identity-tokens.ts'
import { nmiLimits } from './limits.ts'
import type { NmiMetrics } from './nmi-metrics.ts'
import type { NodePod, NodePods } from './node-pods.ts'
import { type Route, routeOf } from './route.ts'

/** What it takes to answer requests. */
export interface NodeEndpoint {
  pods: NodePods
  exceptions: Pick<Exceptions, 'of'>
  findIdentity: FindIdentity
  tokensOf: TokensOf
  /** Whether the pod belongs to the controller, which needs the identity of its machine. */
  isController(pod: NodePod): boolean
  forward: ForwardToImds
  metadataHeaderRequired: boolean
  blockInstanceMetadata: boolean
  /** Answer 503 with `Retry-After`, which SDKs wait for, instead of 404 while the identity is being assigned. */
  setRetryAfterHeader: boolean
  metrics: NmiMetrics
  log: Log
  clock: Clock
}

/** One request on its way, and what log and metrics report of it at its end. */
interface Exchange {
  endpoint: NodeEndpoint
  request: IncomingMessage
  response: ServerResponse
  /** In origin form. */
  target: string
  query: TokenQuery
  route: Route
  namespace: string
  /** How a refusal is written. */
  errorForm: 'text' | 'json'
}

/** The node endpoint: pods reach it in place of IMDS, and programs of the host request the tokens of pods there. */
export function serveRequests(address: ListenAddress, endpoint: NodeEndpoint): Promise<Listening> {
  const requests = createFairSlots(nmiLimits.requests.value)
  const server = createServer(timeLimits, (request, response) => {
    const exchange = startExchange(endpoint, request, response)
    answerWithin(requests, exchange).catch((error: unknown) => {
      if (!(error instanceof ImdsRefusal)) endpoint.log.error({ err: error, route: exchange.route }, 'a request failed')
      sendError(exchange, asRefusal(error))
    })
  })
  const connections = createFairSlots(nmiLimits.connections.value)
  server.on('connection', (socket) => {
    const release = connections.take(holderOf(endpoint.pods, addressOf(socket)))
    if (release === undefined) socket.destroy()
    else socket.once('close', release)
  })
  return listen(server, address)
}

/** In milliseconds. */
const timeLimits = { headersTimeout: 5000, requestTimeout: 10_000, connectionsCheckingInterval: 2000 }

/** The exchange, which is logged and counted when its response closes. */
function startExchange(endpoint: NodeEndpoint, request: IncomingMessage, response: ServerResponse): Exchange {
  const startedAt = performance.now()
  const query: TokenQuery = { resource: '', clientId: '', resourceId: '' }
  const exchange: Exchange = {
    endpoint,
    request,
    response,
    target: '',
    query,
    route: 'invalid',
    namespace: '',
    errorForm: 'text',
  }
  response.on('close', () => {
    const { route, namespace } = exchange
    const { resource } = exchange.query
    const fields = { route, namespace, resource, status: response.statusCode }
    const durationMs = Math.round(performance.now() - startedAt)
    endpoint.metrics.request({ ...fields, durationMs })
    endpoint.log.info({ ...fields, durationMs, from: request.socket.remoteAddress }, 'answered')
  })
  return exchange
}

/** Answers while it holds one of the slots of the pod's namespace. */
async function answerWithin(slots: FairSlots, exchange: Exchange): Promise<void> {
  const release = slots.take(slotHolder(exchange))
  if (release === undefined) {
    const message = `too many requests of one namespace are in progress (${nmiLimits.requests.value / 4} of ${nmiLimits.requests.value})`
    throw new ImdsRefusal(429, 'too_many_requests', message, { headers: { 'retry-after': '5' } })
  }
  try {
    await answer(exchange)
  } finally {
    release()
  }
}

/** The namespace that the request counts against. Pods that the watch has not reported yet share one holder. */
function slotHolder({ endpoint, request }: Exchange): string {
  const { podns } = request.headers
  const address = addressOf(request.socket)
  return isLoopback(address) && typeof podns === 'string' ? podns : holderOf(endpoint.pods, address)
}

function holderOf(pods: Pick<NodePods, 'namespaceOf'>, address: string): string {
  return isLoopback(address) ? 'the node' : (pods.namespaceOf(address) ?? 'unknown pods')
}

async function answer(exchange: Exchange): Promise<void> {
  const { endpoint, request } = exchange
  const { text, path, query } = parseRequestTarget(request.url ?? '/')
  exchange.target = text
  exchange.route = routeOf(path)
  exchange.query = parseTokenQuery(query)
  switch (exchange.route) {
    case 'token':
      return answerPod(exchange)
    case 'host-token':
      return answerHost(exchange)
    case 'invalid':
      throw new ImdsRefusal(400, 'invalid_request', 'Invalid request')
    case 'instance':
      if (endpoint.blockInstanceMetadata) {
        throw new ImdsRefusal(403, 'forbidden', 'Request blocked by AAD Pod Identity NMI')
      }
      return forward(exchange)
    case 'other':
      return forward(exchange)
    default:
      throw new Error(`unknown route ${JSON.stringify(exchange.route satisfies never)}`)
  }
}

/** https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#get-a-token-using-http */
async function answerPod(exchange: Exchange): Promise<void> {
  const { endpoint, request, response, query } = exchange
  checkMetadataHeader(exchange)
  refuseForwarded(request.headers)
  requireResource(query)
  const pod = await endpoint.pods.byAddress(remoteAddress(request))
  exchange.namespace = pod.namespace
  // For such a pod the endpoint behaves as if it were not there.
  const exceptions = await endpoint.exceptions.of(pod.namespace)
  if (isExcepted(pod, exceptions) || endpoint.isController(pod)) return forward(exchange)
  const identity = await findPodIdentity(exchange, pod)
  const tokens = await endpoint.tokensOf(identity, query.resource)
  const answers = tokens.map((token) => tokenAnswer(token, { resource: query.resource, now: endpoint.clock.now() }))
  sendJson(response, 200, answers.length === 1 ? answers[0] : answers)
}

async function findPodIdentity({ endpoint, response, query }: Exchange, pod: NodePod): Promise<AzureIdentity> {
  try {
    return await endpoint.findIdentity(pod, query, closedSignal(response))
  } catch (error) {
    if (!endpoint.setRetryAfterHeader || !(error instanceof ImdsRefusal) || error.status !== 404) throw error
    const headers = { 'retry-after': '20' }
    throw new ImdsRefusal(503, 'service_unavailable', error.message, { cause: error, headers })
  }
}

/** The Key Vault provider's request, for a pod that it names. */
async function answerHost(exchange: Exchange): Promise<void> {
  const { endpoint, request, response, query } = exchange
  const pod = namedPod(request)
  // Pods of a node reach the endpoint with their own address.
  if (!isLoopback(remoteAddress(request))) {
    throw new ImdsRefusal(500, 'internal_error', 'request remote address is not from a host')
  }
  exchange.namespace = pod.namespace
  requireResource(query)
  const identity = await endpoint.findIdentity(pod, query, closedSignal(response))
  const [token] = await endpoint.tokensOf(identity, query.resource)
  if (token === undefined) throw new ImdsRefusal(503, 'service_unavailable', 'no token was given')
  sendJson(response, 200, {
    token: tokenAnswer(token, { resource: query.resource, now: endpoint.clock.now() }),
    clientid: identity.spec.clientID ?? '',
  })
}

function forward(exchange: Exchange): Promise<void> {
  const { endpoint, request, response, target } = exchange
  checkMetadataHeader(exchange)
  return endpoint.forward(request, response, target)
}

function namedPod({ headers }: IncomingMessage): PodRef {
  const [name, namespace] = [headers.podname, headers.podns]
  if (typeof name === 'string' && typeof namespace === 'string' && name !== '' && namespace !== '') {
    return { name, namespace }
  }
  throw new ImdsRefusal(400, 'invalid_request', "missing 'podname' and 'podns' from request header")
}

function checkMetadataHeader(exchange: Exchange): void {
  const { endpoint, request } = exchange
  if (!endpoint.metadataHeaderRequired) return
  // The one refusal that upstream writes as JSON.
  exchange.errorForm = 'json'
  requireMetadataHeader(request.headers, 'exact')
  exchange.errorForm = 'text'
}

function requireResource({ resource }: TokenQuery): void {
  if (resource === '') throw new ImdsRefusal(400, 'invalid_request', 'parameter resource cannot be empty')
}

function remoteAddress({ socket }: IncomingMessage): string {
  const address = addressOf(socket)
  if (address === '') throw new ImdsRefusal(500, 'internal_error', 'request remote address is empty')
  return address
}

/** Without the prefix that a socket for both families gives IPv4 addresses. Empty when the other side is gone. */
function addressOf({ remoteAddress: address = '' }: Socket): string {
  return address.replace(/^::ffff:/, '')
}

function isLoopback(address: string): boolean {
  return address === '127.0.0.1' || address === '::1'
}

/** Aborts when the caller hangs up, so that waiting for it ends. */
function closedSignal(response: ServerResponse): AbortSignal {
  const abort = new AbortController()
  response.once('close', () => abort.abort(new ImdsRefusal(500, 'internal_error', 'context canceled')))
  return abort.signal
}

function asRefusal(error: unknown): ImdsRefusal {
  if (error instanceof ImdsRefusal) return error
  return new ImdsRefusal(500, 'internal_error', errorMessage(error), { cause: error })
}

function sendError({ response, errorForm }: Exchange, refusal: ImdsRefusal): void {
  if (errorForm === 'json') {
    sendRefusal(response, refusal, 'application/json; charset=utf-8')
    return
  }
  const { status, message, headers } = refusal
  sendText(response, status, `${message}\n`, { 'content-type': 'text/plain; charset=utf-8', ...headers })
}
