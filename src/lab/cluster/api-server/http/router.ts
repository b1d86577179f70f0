import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { authenticate } from '../access/authentication.ts'
import { isAllowed, refusal } from '../access/authorization.ts'
import type { User } from '../access/service-account-tokens.ts'
import { ApiError, badRequest, forbidden, methodNotAllowed, notSupported, statusOf } from '../api-error.ts'
import { apiVersionOf } from '../kinds/resource-row.ts'
import type { ApiCall, ApiContext } from './api-call.ts'
import { handleExec } from './exec-handler.ts'
import { addWarning, sendError } from './http-exchange.ts'
import { handleLog } from './log-handler.ts'
import { handlePath } from './path-handlers.ts'
import { handleProxy } from './proxy-handler.ts'
import { handleGet, handleList } from './read-handlers.ts'
import { attributesOf, parseResourceRequest, type ResourceRequest } from './request-info.ts'
import { findReview, handleReview, handleTokenRequest } from './reviews.ts'
import { handleGetScale, handlePatchScale, handleUpdateScale } from './scale-handler.ts'
import { handleWatch } from './watch-handler.ts'
import { handleCreate, handleDelete, handleDeleteCollection, handlePatch, handleUpdate } from './write-handlers.ts'

/** Answers one request. */
export async function handleRequest(
  context: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  logWhenAnswered(context, request, response)
  try {
    const { url, info } = parseTarget(context, request)
    const user = await authenticate(request, context.tokens)
    authorize(context, user, request, { url, info })
    if (info === undefined) return await handlePath(context, request, response, url)
    const exchange = { context, request, response, url, user, info }
    const review = findReview(info)
    if (review !== undefined) return await handleReview(exchange, review)
    const call = callOf(exchange)
    const handle = handlerOf(call)
    for (const text of call.row.warnings(info.version)) addWarning(response, text)
    await handle(call)
  } catch (error) {
    const expected = error instanceof ApiError || response.destroyed
    if (!expected) context.log.error({ err: error, url: request.url }, 'request failed')
    sendError(response, error)
  }
}

function logWhenAnswered({ clock, log }: ApiContext, request: IncomingMessage, response: ServerResponse): void {
  const started = clock.elapsed()
  response.on('close', () => {
    const { method, url } = request
    log.debug({ method, url, status: response.statusCode, durationMs: clock.elapsed() - started }, 'request')
  })
}

interface Target {
  url: URL
  /** Undefined for a path that is not a resource. */
  info: ResourceRequest | undefined
}

function parseTarget({ tokens }: ApiContext, { method = 'GET', url: path }: IncomingMessage): Target {
  const url = URL.parse(`${tokens.issuer}${path}`)
  if (url === null) throw badRequest('the path of the request is malformed')
  return { url, info: parseResourceRequest(method, url) }
}

function authorize(
  { store }: ApiContext,
  user: User,
  { method = 'GET' }: IncomingMessage,
  { url, info }: Target,
): void {
  const wanted = attributesOf(info, method, url)
  if (isAllowed(store, user, wanted)) return
  if (info === undefined) throw new ApiError(403, 'Forbidden', refusal(user, wanted))
  throw forbidden({ group: info.group, kind: '', plural: info.plural }, info.name ?? '', refusal(user, wanted))
}

/** The call with the kind that it is about. Throws 404 for a kind or a subresource that does not exist. */
function callOf(exchange: Omit<ApiCall, 'row'>): ApiCall {
  const { group, version, plural, subresource, namespace } = exchange.info
  const row = exchange.context.catalog.find(group, version, plural)
  if (row === undefined) throw notSupported(`${plural} in ${apiVersionOf(group, version)}`)
  if (!row.namespaced && namespace !== undefined) throw notSupported(`${plural} in namespaces`)
  if (subresource !== '' && !row.subresources.some((name) => name === subresource)) {
    throw notSupported(`${plural}/${subresource}`)
  }
  return { ...exchange, row }
}

type Handler = (call: ApiCall) => void | Promise<void>

/** By verb, with the name of the subresource when there is one. */
const handlers: Record<string, Handler> = {
  get: handleGet,
  list: handleList,
  watch: handleWatch,
  create: handleCreate,
  update: handleUpdate,
  patch: handlePatch,
  delete: handleDelete,
  deletecollection: handleDeleteCollection,
  'get status': handleGet,
  'update status': handleUpdate,
  'patch status': handlePatch,
  'get scale': handleGetScale,
  'update scale': handleUpdateScale,
  'patch scale': handlePatchScale,
  'create token': handleTokenRequest,
  'get log': handleLog,
  'get proxy': handleProxy,
  'get exec': refuseExec,
  'create exec': refuseExec,
}

function handlerOf({ row, info }: ApiCall): Handler {
  const { verb, subresource, namespace } = info
  const handler = handlers[subresource === '' ? verb : `${verb} ${subresource}`]
  const acrossNamespaces = row.namespaced && namespace === undefined
  if (handler === undefined || (acrossNamespaces && verb !== 'list' && verb !== 'watch')) throw methodNotAllowed()
  return handler
}

function refuseExec(): void {
  throw badRequest('exec needs a WebSocket; kubectl 1.31 and newer open one')
}

/** Answers a request to upgrade the connection to a stream of both directions: only exec does that. */
export async function handleUpgrade(
  context: ApiContext,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy())
  try {
    const { url, info } = parseTarget(context, request)
    const user = await authenticate(request, context.tokens)
    authorize(context, user, request, { url, info })
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
