import { badRequest, statusOf } from '../api-error.ts'
import type { ApiObject } from '../api-object.ts'
import { apiVersionOf, keyOf, type ResourceRow } from '../kinds/resource-row.ts'
import { type Matcher, parseFieldSelector, parseLabelSelector } from '../objects/selectors.ts'
import type { Change } from '../objects/store.ts'
import type { ApiCall } from './api-call.ts'
import { sendJson, wantsTable } from './http-exchange.ts'
import { isTrue } from './request-info.ts'
import { type IncludeObject, tableOf } from './table.ts'

/** How often a quiet watch says up to where it is current. */
const bookmarkIntervalMs = 60_000

/** Longest watch, when the client names no `timeoutSeconds`. */
const maxWatchSeconds = 3_600

/** What a watch may hold back for a slow reader. */
const maxBufferedBytes = 16 * 1024 * 1024

/** An object as a client of one version sees it. */
export function present(row: ResourceRow, version: string, object: ApiObject): ApiObject {
  const apiVersion = apiVersionOf(row.group, version)
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion }
}

/** Sends one object, as a table of one row if that is what the client wants. */
export function sendObject(call: ApiCall, status: number, object: ApiObject): void {
  const { response, request, row, info } = call
  const shown = present(row, info.version, object)
  const { resourceVersion } = shown.metadata
  sendJson(response, status, wantsTable(request) ? renderTable(call, [shown], { resourceVersion }) : shown)
}

export function handleGet(call: ApiCall): void {
  const { context, row, info } = call
  sendObject(call, 200, context.objects.get(row, { namespace: info.namespace, name: info.name ?? '' }))
}

export function handleList(call: ApiCall): void {
  const { context, row, info, url, response, request } = call
  const { store } = context
  const page = parsePage(url)
  const revision = page.revision ?? store.revision
  const found = selected(call).filter((object) => page.after === undefined || orderOf(object) > page.after)
  const items = found.slice(0, page.limit).map((object) => present(row, info.version, object))
  const last = items.at(-1)
  const metadata = {
    resourceVersion: String(revision),
    ...(last === undefined || found.length === items.length
      ? {}
      : { continue: continueToken(revision, last), remainingItemCount: found.length - items.length }),
  }
  const apiVersion = apiVersionOf(row.group, info.version)
  const list = wantsTable(request)
    ? renderTable(call, items, metadata)
    : { kind: `${row.kind}List`, apiVersion, metadata, items }
  sendJson(response, 200, list)
}

/** The objects that a list or a deletion of many is about. */
export function selected(call: ApiCall): ApiObject[] {
  const { context, row, info } = call
  return context.store.list(keyOf(row), info.namespace).filter(matcherOf(call))
}

function matcherOf({ row, url }: ApiCall): Matcher {
  const byLabel = parseLabelSelector(url.searchParams.get('labelSelector') ?? '')
  const fields = ['metadata.name', 'metadata.namespace', ...row.fields]
  const byField = parseFieldSelector(url.searchParams.get('fieldSelector') ?? '', fields)
  return (object) => byLabel(object) && byField(object)
}

const orderOf = ({ metadata }: ApiObject) => `${metadata.namespace ?? ''}/${metadata.name}`

/** Paging goes on after a name, in the objects of now: an object written meanwhile may appear in a later page. */
function parsePage({ searchParams }: URL): { limit: number; after?: string; revision?: number } {
  const limit = Number(searchParams.get('limit') ?? 0) || Number.POSITIVE_INFINITY
  const token = searchParams.get('continue')
  if (!token) return { limit }
  try {
    const { rv, after } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
    return { limit, after, revision: rv }
  } catch {
    throw badRequest('continue key is not valid: it does not come from a list of this server')
  }
}

const continueToken = (rv: number, last: ApiObject) =>
  Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, after: orderOf(last) })).toString('base64url')

function renderTable({ row, info, url, context }: ApiCall, objects: readonly ApiObject[], metadata: object) {
  const include = (url.searchParams.get('includeObject') ?? 'Metadata') as IncludeObject
  return tableOf(objects, { columns: row.columns(info.version), include, metadata, now: context.clock.now() })
}

/** Streams changes until the client goes, the time is over or the server stops. https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
export function handleWatch(call: ApiCall): void {
  const { context, row, info, url, request, response } = call
  const { searchParams } = url
  const matches = matcherOf(call)
  const from = searchParams.get('resourceVersion') ?? ''
  if (!/^\d*$/.test(from)) throw badRequest(`Invalid resourceVersion: ${from}`)
  const fresh = from === '' || from === '0'
  const key = keyOf(row)
  const asTable = wantsTable(request)

  const send = (type: string, object: unknown) => {
    response.write(`${JSON.stringify({ type, object })}\n`)
    // A reader that stands still lists again later; its changes are not kept for it.
    if (response.writableLength > maxBufferedBytes) response.destroy()
  }
  const sendChange = (type: string, object: ApiObject) => {
    const shown = present(row, info.version, object)
    const { resourceVersion } = shown.metadata
    send(type, asTable ? renderTable(call, [shown], { resourceVersion }) : shown)
  }
  const bookmark = (annotations?: object) => {
    const resourceVersion = String(context.store.revision)
    const metadata = { resourceVersion, ...(annotations === undefined ? {} : { annotations }) }
    const object = { kind: row.kind, apiVersion: apiVersionOf(row.group, info.version), metadata }
    send('BOOKMARK', asTable ? renderTable(call, [], metadata) : object)
  }

  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' })
  response.flushHeaders()
  const initial = fresh || isTrue(searchParams.get('sendInitialEvents') ?? 'false')
  if (initial) for (const object of selected(call)) sendChange('ADDED', object)
  if (searchParams.get('sendInitialEvents') === 'true') bookmark({ 'k8s.io/initial-events-end': 'true' })

  const onChange = (change: Change) => {
    if (change.resource !== key) return
    if (info.namespace !== undefined && change.object.metadata.namespace !== info.namespace) return
    const event = eventFor(change, matches)
    if (event !== undefined) sendChange(event, change.object)
  }
  let unfollow = () => {}
  try {
    unfollow = context.store.follow(initial ? context.store.revision : Number(from), onChange)
  } catch (error) {
    send('ERROR', statusOf(error))
    response.end()
    return
  }

  const wantsBookmarks = isTrue(searchParams.get('allowWatchBookmarks') ?? 'false')
  const { clock, signal } = context
  const tick = () => {
    if (wantsBookmarks) bookmark()
    cancelTick = clock.after(bookmarkIntervalMs, tick)
  }
  let cancelTick = clock.after(bookmarkIntervalMs, tick)
  const finish = () => {
    if (wantsBookmarks) bookmark()
    response.end()
  }
  const seconds = Number(searchParams.get('timeoutSeconds')) || maxWatchSeconds
  const cancelFinish = clock.after(seconds * 1000, finish)
  signal.addEventListener('abort', finish)
  response.on('close', () => {
    unfollow()
    cancelTick()
    cancelFinish()
    signal.removeEventListener('abort', finish)
  })
}

/** What a change means to somebody who sees only the matching objects. */
function eventFor({ type, object, previous }: Change, matches: Matcher): Change['type'] | undefined {
  const before = previous !== undefined && matches(previous)
  if (type === 'DELETED') return before ? 'DELETED' : undefined
  if (matches(object)) return before ? 'MODIFIED' : 'ADDED'
  return before ? 'DELETED' : undefined
}
