import { parseJson, recordOf, stringOf, valueAt } from '#lib/formats'
import { type ApiConnection, type CallOptions, callStream } from './api-call.ts'
import { KubeError } from './kube-error.ts'
import type { KubeObject } from './objects.ts'
import { acceptHeaders, queryOf, type Selectors, selectorQuery } from './query.ts'
import { pathOf, type Resource } from './resources.ts'

export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: KubeObject }
  | { type: 'ERROR'; object: { code?: number; message?: string; reason?: string } }

export interface WatchOptions extends Selectors, CallOptions {
  resourceVersion: string
  /** When the server ends the watch. Default 290. */
  timeoutSeconds?: number | undefined
}

/** One watch request: ends when the server ends it; rejects a little later when the server does not. */
export async function* watchEvents<T extends KubeObject>(
  connection: ApiConnection,
  resource: Resource<T>,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { resourceVersion, timeoutSeconds = 290, signal, timeoutMs } = options
  const query = queryOf({
    ...selectorQuery(options),
    watch: true,
    allowWatchBookmarks: true,
    resourceVersion,
    timeoutSeconds,
  })
  const path = `${pathOf(resource, { namespace: options.namespace })}${query}`
  const headers = acceptHeaders(options, 'PartialObjectMetadata')
  const streamMs = timeoutSeconds * 1000 + connection.watchGraceMs
  const { body } = await callStream(connection, { method: 'GET', path, headers, signal, timeoutMs, streamMs })
  const what = `an event of the watch on ${resource.plural}`
  for await (const line of linesOf(body, what)) yield eventOf<T>(what, line)
}

const eventTypes = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'])

function eventOf<T>(what: string, line: string): WatchEvent<T> {
  const event = parseJson(what, line)
  const type = stringOf(valueAt(event, 'type')) ?? ''
  const hasObject = recordOf(valueAt(event, 'object')) !== undefined
  const hasMetadata = type === 'ERROR' || recordOf(valueAt(event, 'object', 'metadata')) !== undefined
  if (eventTypes.has(type) && hasObject && hasMetadata) return event as WatchEvent<T>
  throw new KubeError(`${what} is not a watch event`, { status: 0, retryable: true })
}

/** Longer than any object. */
const maxLineBytes = 16 * 1024 * 1024

/** Non-empty lines of a stream. Each byte is read once, however the lines are cut into chunks. */
async function* linesOf(stream: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<string> {
  let pieces: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      const line = Buffer.concat([...pieces, chunk.subarray(start, end)]).toString('utf8')
      pieces = []
      size = 0
      start = end + 1
      if (line !== '') yield line
    }
    pieces.push(chunk.subarray(start))
    size += chunk.length - start
    if (size > maxLineBytes) {
      throw new KubeError(`${what} is larger than ${maxLineBytes} bytes`, { status: 0, retryable: true })
    }
  }
  // What follows the last line break was cut off.
}
