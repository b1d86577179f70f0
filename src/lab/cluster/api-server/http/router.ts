import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { authenticate } from '../access/authentication.ts'
import { isAllowed, refusal } from '../access/authorization.ts'
import {
  ApiError,
  badRequest,
  forbidden,
  methodNotAllowed,
  notAcceptable,
  notSupported,
  statusOf,
} from '../api-error.ts'
import { apiVersionOf } from '../kinds/resource-row.ts'
import type { ApiCall, ApiContext } from './api-call.ts'
import { aggregatedDiscovery, aggregatedType, openApiDocument, openApiIndex, resourceList } from './discovery.ts'
import { handleExec } from './exec-handler.ts'
import { addWarning, readObject, sendError, sendJson } from './http-exchange.ts'
import { handleLog } from './log-handler.ts'
import { handleGet, handleList } from './read-handlers.ts'
import { attributesOf, parseResourceRequest } from './request-info.ts'
import { type ReviewRow, requestToken, reviewRows } from './reviews.ts'
import { handleWatch } from './watch-handler.ts'
import { handleCreate, handleDelete, handleDeleteCollection, handlePatch, handleUpdate } from './write-handlers.ts'

/** The version that kubectl sees. */
const serverVersion = {
  major: '1',
  minor: '34',
  gitVersion: 'v1.34.0+keymount-local',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
}

/** One request, from its bytes to its answer: who, may they, what. */
export async function handleRequest(
  context: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { clock, log } = context
  const started = clock.now()
  response.on('close', () => {
    const { method, url } = request
    log.debug({ method, url, status: response.statusCode, durationMs: clock.now() - started }, 'request')
  })
  try {
    const { url, user, info } = await admit(context, request)
    if (info === undefined) await answerPath(context, request, response, url)
    else await answerResource({ context, request, response, url, user, info })
  } catch (error) {
    const expected = error instanceof ApiError || response.destroyed
    if (!expected) log.error({ err: error, url: request.url }, 'request failed')
    sendError(response, error)
  }
}

/** A request that wants to become a stream of both directions: only exec does. */
export async function handleUpgrade(
  context: ApiContext,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy())
  try {
    const { url, user, info } = await admit(context, request)
    const row = info && context.catalog.find(info.group, info.version, info.plural)
    if (info?.subresource !== 'exec' || row === undefined) throw notSupported(`stream at ${url.pathname}`)
    await handleExec({ context, request, url, user, info, row }, socket, head)
  } catch (error) {
    const status = statusOf(error)
    const body = JSON.stringify(status)
    socket.end(
      `HTTP/1.1 ${status.code} ${status.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    )
  }
}

/** Lets a request in, or throws 401 or 403. */
async function admit(context: ApiContext, request: IncomingMessage) {
  const { method = 'GET' } = request
  const url = URL.parse(`${context.tokens.issuer}${request.url}`)
  if (url === null) throw badRequest('the path of the request is malformed')
  const info = parseResourceRequest(method, url)
  const user = await authenticate(request, context.tokens)
  const wanted = attributesOf(info, method, url)
  if (!isAllowed(context.store, user, wanted)) {
    if (info === undefined) throw new ApiError(403, 'Forbidden', refusal(user, wanted))
    throw forbidden({ group: info.group, kind: '', plural: info.plural }, info.name ?? '', refusal(user, wanted))
  }
  return { url, user, info }
}

/** The one type of the published keys: a client that takes plain JSON alone is refused, by a real API server too. */
const jwksType = 'application/jwk-set+json'

/** What is no resource: health, version, discovery, OpenAPI and the documents of the token issuer. */
async function answerPath(
  context: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const { catalog, tokens } = context
  const { pathname } = url
  if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed()
  if (/^\/(healthz|livez|readyz)$/.test(pathname)) {
    response.writeHead(200, { 'content-type': 'text/plain' }).end('ok')
    return
  }
  const { accept = '*/*' } = request.headers
  if (pathname === '/api' || pathname === '/apis') {
    if (!accept.includes('as=APIGroupDiscoveryList')) throw notAcceptable(aggregatedType)
    sendJson(response, 200, aggregatedDiscovery(catalog, pathname === '/api'), aggregatedType)
    return
  }
  if (pathname === '/openid/v1/jwks') {
    if (!accept.includes('*/*') && !accept.includes(jwksType)) throw notAcceptable(jwksType)
    sendJson(response, 200, await tokens.jwks(), jwksType)
    return
  }
  const document = documentAt(context, url)
  if (document === undefined) throw notSupported(pathname)
  sendJson(response, 200, document)
}

function documentAt({ catalog, tokens }: ApiContext, { pathname }: URL): object | undefined {
  switch (pathname) {
    case '/version':
      return serverVersion
    case '/.well-known/openid-configuration':
      return tokens.discovery()
    case '/openapi/v3':
      return openApiIndex(catalog)
  }
  const [, openApi, core, named = '', version = ''] =
    /^(\/openapi\/v3)?\/(?:(api)|apis\/([^/]+))\/([^/]+)$/.exec(pathname) ?? []
  const group = core === undefined ? named : ''
  return openApi ? openApiDocument(catalog, group, version) : resourceList(catalog, group, version)
}

const handlers: Record<string, (call: ApiCall) => void | Promise<void>> = {
  get: handleGet,
  list: handleList,
  watch: handleWatch,
  create: handleCreate,
  update: handleUpdate,
  patch: handlePatch,
  delete: handleDelete,
  deletecollection: handleDeleteCollection,
  'create token': handleTokenRequest,
  'get log': handleLog,
  'get exec': refuseExec,
  'create exec': refuseExec,
}

async function answerResource(request: Omit<ApiCall, 'row'>): Promise<void> {
  const { context, info, response } = request
  const { group, version, plural, subresource, verb, namespace } = info
  const review = reviewRows.find((one) => one.group === group && one.version === version && one.plural === plural)
  if (review !== undefined) return answerReview(request, review)
  const row = context.catalog.find(group, version, plural)
  if (row === undefined) throw notSupported(`${plural} in ${apiVersionOf(group, version)}`)
  if (!row.namespaced && namespace !== undefined) throw notSupported(`${plural} in namespaces`)
  if (subresource !== '' && !row.subresources.some((name) => name === subresource)) {
    throw notSupported(`${plural}/${subresource}`)
  }
  const handler = handlers[subresource === '' || subresource === 'status' ? verb : `${verb} ${subresource}`]
  const acrossNamespaces = row.namespaced && namespace === undefined
  if (handler === undefined || (acrossNamespaces && verb !== 'list' && verb !== 'watch')) throw methodNotAllowed()
  for (const text of row.warnings(version)) addWarning(response, text)
  await handler({ ...request, row })
}

async function answerReview(call: Omit<ApiCall, 'row'>, row: ReviewRow): Promise<void> {
  if (call.info.verb !== 'create') throw methodNotAllowed()
  const body = await readObject(call.request)
  const { kind, group, version } = row
  const status = row.answer({ store: call.context.store, user: call.user }, body)
  sendJson(call.response, 201, { metadata: {}, ...(body as object), kind, apiVersion: `${group}/${version}`, status })
}

async function handleTokenRequest({ context, request, response, row, info }: ApiCall): Promise<void> {
  const body = await readObject(request)
  const account = context.objects.get(row, { namespace: info.namespace, name: info.name ?? '' })
  sendJson(response, 201, await requestToken(context, account, body))
}

function refuseExec(): void {
  throw badRequest('exec needs a WebSocket; kubectl 1.31 and newer open one')
}
