import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AzurePodIdentityException } from '#kubernetes/client'
import { type Clock, errorMessage, type Log } from '#lib'
import type { ListenAddress } from '#lib/flags'
import { forwardHttp, type HttpServer, listenHttp } from '#lib/http'
import { isExcepted } from './exceptions.ts'
import type { FindIdentity, PodRef } from './find-assigned.ts'
import type { TokensOf } from './identity-tokens.ts'
import type { NmiMetrics } from './nmi-metrics.ts'
import type { NodePod, NodePods } from './node-pods.ts'
import { RequestError } from './request-error.ts'
import { type Route, routeOf } from './route.ts'
import { tokenAnswer } from './token-answer.ts'
import { parseTokenQuery, type TokenQuery } from './token-query.ts'

export interface RequestsOptions {
  pods: NodePods
  exceptions: Iterable<AzurePodIdentityException>
  findIdentity: FindIdentity
  tokensOf: TokensOf
  /** Whether the pod is the controller, which needs the identity of its machine. */
  isController(pod: NodePod): boolean
  /** Origin of the real IMDS. */
  imdsEndpoint: string
  metadataHeaderRequired: boolean
  blockInstanceMetadata: boolean
  /** Answers a pod that has no identity yet with 503 and a time, which SDKs wait, instead of 404. */
  setRetryAfterHeader: boolean
  metrics: NmiMetrics
  log: Log
  clock: Clock
}

/** What is known of a request when it is over, for log and metrics. */
interface Account {
  namespace: string
  resource: string
}

/** The node endpoint: pods ask it in place of IMDS, programs of the host ask it for the tokens of pods. */
export function serveRequests(address: ListenAddress, options: RequestsOptions): Promise<HttpServer> {
  const { metrics, log } = options
  return listenHttp(address, (request, response) => {
    const started = performance.now()
    const route = routeOf(request.url ?? '/')
    const account: Account = { namespace: '', resource: '' }
    response.on('close', () => {
      const { statusCode: status } = response
      const durationMs = Math.round(performance.now() - started)
      metrics.request({ route, status, durationMs, ...account })
      log.info({ route, status, durationMs, ...account, from: request.socket.remoteAddress }, 'answered')
    })
    answer(request, response, { route, account, ...options }).catch((error: unknown) => {
      if (!(error instanceof RequestError)) log.error({ err: error, route }, 'a request failed')
      const known = error instanceof RequestError ? error : new RequestError(500, errorMessage(error))
      sendError(response, known)
    })
  })
}

type Exchange = RequestsOptions & { route: Route; account: Account }

async function answer(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
  switch (exchange.route) {
    case 'token':
      return answerPod(request, response, exchange)
    case 'host-token':
      return answerHost(request, response, exchange)
    case 'invalid':
      throw new RequestError(400, 'Invalid request')
    case 'instance':
      if (exchange.blockInstanceMetadata) throw new RequestError(403, 'Request blocked by AAD Pod Identity NMI')
      return passOn(request, response, exchange)
    case 'other':
      return passOn(request, response, exchange)
  }
}

/** https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#get-a-token-using-http */
async function answerPod(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
  const { pods, exceptions, isController, findIdentity, setRetryAfterHeader, account } = exchange
  requireMetadataHeader(request, exchange)
  const ip = remoteAddress(request)
  const query = parseTokenQuery(request.url ?? '')
  account.resource = query.resource
  requireResource(query)
  const pod = await pods.byAddress(ip)
  account.namespace = pod.namespace
  // To such a pod the endpoint is not there.
  if (isExcepted(pod, exceptions) || isController(pod)) return passOn(request, response, exchange)
  const identity = await findIdentity(pod, query, goneSignal(response)).catch((error: unknown) => {
    if (!setRetryAfterHeader || !(error instanceof RequestError) || error.status !== 404) throw error
    throw new RequestError(503, error.message, { 'retry-after': '20' })
  })
  const tokens = await exchange.tokensOf(identity, query.resource)
  const answers = tokens.map((token) => tokenAnswer(token, { resource: query.resource, now: exchange.clock.now() }))
  sendJson(response, 200, answers.length === 1 ? answers[0] : answers)
}

/** The Key Vault provider's way, for a pod that it names. */
async function answerHost(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
  const pod = namedPod(request)
  // Pods of a node reach the endpoint with their own address.
  if (!isLoopback(remoteAddress(request))) throw new RequestError(500, 'request remote address is not from a host')
  const query = parseTokenQuery(request.url ?? '')
  Object.assign(exchange.account, { namespace: pod.namespace, resource: query.resource })
  requireResource(query)
  const identity = await exchange.findIdentity(pod, query, goneSignal(response))
  const [token] = await exchange.tokensOf(identity, query.resource)
  if (token === undefined) throw new RequestError(503, 'no token was given')
  sendJson(response, 200, {
    token: tokenAnswer(token, { resource: query.resource, now: exchange.clock.now() }),
    clientid: identity.spec.clientID ?? '',
  })
}

async function passOn(request: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
  requireMetadataHeader(request, exchange)
  const target = request.url ?? '/'
  await forwardHttp(request, response, {
    endpoint: exchange.imdsEndpoint,
    target,
    onFailure: (error) => sendError(response, new RequestError(500, error.message)),
  })
}

function namedPod({ headers }: IncomingMessage): PodRef {
  const [name, namespace] = [headers.podname, headers.podns]
  if (typeof name === 'string' && typeof namespace === 'string' && name !== '' && namespace !== '') {
    return { name, namespace }
  }
  throw new RequestError(400, "missing 'podname' and 'podns' from request header")
}

class MissingMetadataHeader extends RequestError {
  constructor() {
    super(400, 'Required metadata header not specified')
  }
}

function requireMetadataHeader({ headers }: IncomingMessage, { metadataHeaderRequired }: Exchange): void {
  if (metadataHeaderRequired && headers.metadata !== 'true') throw new MissingMetadataHeader()
}

function requireResource({ resource }: TokenQuery): void {
  if (resource === '') throw new RequestError(400, 'parameter resource cannot be empty')
}

/** Without the form in which a socket of both families writes IPv4. */
function remoteAddress({ socket }: IncomingMessage): string {
  const address = socket.remoteAddress?.replace(/^::ffff:/, '') ?? ''
  if (address === '') throw new RequestError(500, 'request remote address is empty')
  return address
}

function isLoopback(address: string): boolean {
  return address === '127.0.0.1' || address === '::1'
}

/** Aborts when the caller hangs up, so that nobody is waited for in vain. */
function goneSignal(response: ServerResponse): AbortSignal {
  const abort = new AbortController()
  response.once('close', () => abort.abort(new RequestError(500, 'context canceled')))
  return abort.signal
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}

function sendError(response: ServerResponse, error: RequestError): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const isJson = error instanceof MissingMetadataHeader
  const text = isJson ? JSON.stringify({ error: 'invalid_request', error_description: error.message }) : error.message
  const type = isJson ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8'
  response.writeHead(error.status, { 'content-type': type, ...error.headers }).end(`${text}\n`)
}
