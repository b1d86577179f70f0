import { type Clock, type Log, type Running, silentLog, sleep, systemClock } from '#lib'
import { createBackoff } from '#lib/async'
import type { KubeClient } from './kube-client.ts'
import { isExpired, KubeError } from './kube-error.ts'
import type { ListOptions } from './list-pages.ts'
import type { KubeObject } from './objects.ts'
import type { Selectors } from './query.ts'
import type { Resource } from './resources.ts'

export interface FollowHandlers<T, P = T> {
  /** The complete state, after every (re)list. What is absent here is gone. */
  onList(items: P[]): void
  onChange(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void
}

export interface FollowOptions extends Selectors {
  clock?: Clock | undefined
  log?: Log | undefined
  random?: (() => number) | undefined
}

export interface Following extends Running {
  /** Resolves after the first list; rejects when it is stopped before. */
  synced: Promise<void>
  /**
   * Milliseconds since the server last showed that the state is current: by a list, an event, a bookmark (about one a minute)
   * or by ending a watch in order (at the latest after five minutes). Infinity before the first list.
   */
  silentMs(): number
}

interface Follower<T extends KubeObject, P> {
  client: KubeClient
  resource: Resource<T>
  selectors: Selectors
  pick: ((object: T) => P) | undefined
  handlers: FollowHandlers<T, P>
  clock: Clock
  log: Log
  random: () => number
  backoff: ReturnType<typeof createBackoff>
  signal: AbortSignal
  firstList: PromiseWithResolvers<void>
  /** Version of the state that the handlers have. */
  version: string
  heardAt: number
}

/**
 * Follows a collection: list, then watch with bookmarks; lists again when the server no longer has the version (410), and
 * reconnects with back-off when a connection ends or the server is not reached.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export function follow<T extends KubeObject, P = T>(
  client: KubeClient,
  resource: Resource<T>,
  options: FollowOptions & Pick<ListOptions<T, P>, 'pick'>,
  handlers: FollowHandlers<T, P>,
): Following {
  const { clock = systemClock, log = silentLog, random = Math.random, pick, ...selectors } = options
  const abort = new AbortController()
  const follower: Follower<T, P> = {
    client,
    resource,
    selectors,
    pick,
    handlers,
    clock,
    log,
    random,
    backoff: createBackoff({ initialMs: 200, maxMs: 10_000, random }),
    signal: abort.signal,
    firstList: Promise.withResolvers<void>(),
    version: '',
    heardAt: Number.NEGATIVE_INFINITY,
  }
  const { promise: synced, reject } = follower.firstList
  synced.catch(() => undefined)
  const running = run(follower)
  return {
    synced,
    silentMs: () => clock.elapsed() - follower.heardAt,
    async stop() {
      const reason = new Error('stopped')
      abort.abort(reason)
      reject(reason)
      await running
    },
  }
}

async function run<T extends KubeObject, P>(follower: Follower<T, P>): Promise<void> {
  const { resource, clock, log, backoff, signal } = follower
  while (!signal.aborted) {
    try {
      await listAndWatch(follower)
    } catch (error) {
      if (signal.aborted) return
      if (!isExpired(error)) log.warn({ err: error, resource: resource.plural }, 'watch interrupted, listing again')
      await sleep(backoff.next(), { clock, signal }).catch(() => undefined)
    }
  }
}

async function listAndWatch<T extends KubeObject, P>(follower: Follower<T, P>): Promise<void> {
  const { clock, backoff, signal } = follower
  await listOnce(follower)
  while (!signal.aborted) {
    const pause = await watchOnce(follower)
    await sleep(pause === 'ended' ? Math.min(backoff.next(), 1000) : backoff.next(), { clock, signal })
  }
}

/** A function of its own: what it has of the list would stay in memory as long as the watch goes on. */
async function listOnce<T extends KubeObject, P>(follower: Follower<T, P>): Promise<void> {
  const { client, resource, selectors, pick, handlers, clock, signal } = follower
  const { items, resourceVersion } = await client.list(resource, { ...selectors, pick, signal })
  signal.throwIfAborted()
  handlers.onList(items)
  follower.version = resourceVersion
  follower.heardAt = clock.elapsed()
  follower.firstList.resolve()
}

/** Whether the watch ended in order. A server that is not reached has not forgotten the version: only its refusal is thrown. */
async function watchOnce<T extends KubeObject, P>(follower: Follower<T, P>): Promise<'ended' | 'interrupted'> {
  const { clock, log, resource, signal } = follower
  try {
    await watchToEnd(follower)
    follower.heardAt = clock.elapsed()
    return 'ended'
  } catch (error) {
    if (signal.aborted || !(error instanceof KubeError) || error.status !== 0) throw error
    log.warn({ err: error, resource: resource.plural }, 'watch interrupted, watching again')
    return 'interrupted'
  }
}

async function watchToEnd<T extends KubeObject, P>(follower: Follower<T, P>): Promise<void> {
  const { client, resource, selectors, handlers, clock, random, backoff, signal, version } = follower
  // Ends in time on purpose, so that a connection that died silently is noticed.
  const timeoutSeconds = 240 + Math.floor(random() * 60)
  const events = client.watch(resource, { ...selectors, resourceVersion: version, timeoutSeconds, signal })
  for await (const event of events) {
    signal.throwIfAborted()
    if (event.type === 'ERROR') {
      const { code = 500, message = 'watch failed', reason = '' } = event.object
      throw new KubeError(message, { status: code, reason })
    }
    backoff.reset()
    follower.heardAt = clock.elapsed()
    follower.version = event.object.metadata.resourceVersion ?? follower.version
    if (event.type !== 'BOOKMARK') handlers.onChange(event.type, event.object)
  }
}
