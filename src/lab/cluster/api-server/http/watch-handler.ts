import { badRequest, statusOf } from '../api-error.ts'
import type { ApiObject } from '../api-object.ts'
import { apiVersionOf, keyOf } from '../kinds/resource-row.ts'
import type { Matcher } from '../objects/selectors.ts'
import type { Change } from '../objects/store.ts'
import type { ApiCall } from './api-call.ts'
import { wantedForm } from './http-exchange.ts'
import { inForm, matcherOf, present, renderTable, selected } from './read-handlers.ts'
import { isTrue, parseCount } from './request-info.ts'

/** Time between two bookmarks of a quiet watch. */
const bookmarkIntervalMs = 60_000

/** The longest watch, also when the client asks for a longer one. */
const maxWatchSeconds = 3_600

/** The most bytes that wait for a slow reader. */
const maxBufferedBytes = 16 * 1024 * 1024

/**
 * Streams changes until the client goes, the time is over or the server stops.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export function handleWatch(call: ApiCall): void {
  const { context, row, info, url, response } = call
  const { store, clock, signal } = context
  const flag = (name: string) => isTrue(url.searchParams.get(name) ?? 'false')
  const from = url.searchParams.get('resourceVersion') || '0'
  if (!/^\d+$/.test(from)) throw badRequest(`Invalid resourceVersion: ${from}`)
  const wanted = parseCount(url, 'timeoutSeconds')
  const matches = matcherOf(call)
  const events = openEvents(call)

  const wantsAll = from === '0' || flag('sendInitialEvents')
  if (wantsAll) for (const object of selected(call)) events.change('ADDED', object)
  if (flag('sendInitialEvents')) events.bookmark({ 'k8s.io/initial-events-end': 'true' })

  const onChange = (change: Change) => {
    if (change.resource !== keyOf(row)) return
    if (info.namespace !== undefined && change.object.metadata.namespace !== info.namespace) return
    const type = eventFor(change, matches)
    if (type !== undefined) events.change(type, change.object)
  }
  let unfollow: () => void
  try {
    unfollow = store.follow(wantsAll ? store.revision : Number(from), onChange)
  } catch (error) {
    events.error(error)
    return
  }

  const bookmark = () => flag('allowWatchBookmarks') && events.bookmark()
  const tick = () => {
    bookmark()
    cancelTick = clock.after(bookmarkIntervalMs, tick)
  }
  let cancelTick = clock.after(bookmarkIntervalMs, tick)
  const finish = () => {
    bookmark()
    response.end()
  }
  const seconds = wanted === 0 ? maxWatchSeconds : Math.min(wanted, maxWatchSeconds)
  const cancelFinish = clock.after(seconds * 1000, finish)
  signal.addEventListener('abort', finish)
  response.on('close', () => {
    unfollow()
    cancelTick()
    cancelFinish()
    signal.removeEventListener('abort', finish)
  })
}

/** Begins the answer: one line of JSON per event, with the object or a table of it. */
function openEvents(call: ApiCall) {
  const { context, row, info, request, response } = call
  const form = wantedForm(request)
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' })
  response.flushHeaders()
  const send = (type: string, object: unknown) => {
    // A change may come between our end of the answer and that of the connection.
    if (response.writableEnded) return
    response.write(`${JSON.stringify({ type, object })}\n`)
    // A reader that has stopped reading lists again later; changes are not held for it.
    if (response.writableLength > maxBufferedBytes) response.destroy()
  }
  return {
    change(type: Change['type'], object: ApiObject) {
      send(type, inForm(call, form, present(row, info.version, object)))
    },
    bookmark(annotations?: Record<string, string>) {
      const resourceVersion = String(context.store.revision)
      const metadata = { resourceVersion, ...(annotations === undefined ? {} : { annotations }) }
      if (form === 'table') return send('BOOKMARK', renderTable(call, [], metadata))
      const [kind, apiVersion] =
        form === 'metadata'
          ? ['PartialObjectMetadata', 'meta.k8s.io/v1']
          : [row.kind, apiVersionOf(row.group, info.version)]
      send('BOOKMARK', { kind, apiVersion, metadata })
    },
    error(error: unknown) {
      send('ERROR', statusOf(error))
      response.end()
    },
  }
}

/** What a change means to a client that sees only the matching objects. */
function eventFor({ type, object, previous }: Change, matches: Matcher): Change['type'] | undefined {
  const before = previous !== undefined && matches(previous)
  if (type === 'DELETED') return before ? 'DELETED' : undefined
  if (matches(object)) return before ? 'MODIFIED' : 'ADDED'
  return before ? 'DELETED' : undefined
}
