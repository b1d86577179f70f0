import { type Clock, type Log, type Running, silentLog, sleep, systemClock } from '#lib'
import { createBackoff } from '#lib/async'
import type { KubeClient, Selectors } from './kube-client.ts'
import { KubeError } from './kube-error.ts'
import type { KubeObject } from './objects.ts'
import type { Resource } from './resources.ts'

export interface FollowHandlers<T> {
  /** The complete state, after every (re)list. What is absent here is gone. */
  onList(items: T[]): void
  onChange(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void
}

export interface FollowOptions extends Selectors {
  clock?: Clock
  log?: Log
}

/**
 * Follows a collection: list, then watch with bookmarks; lists again when the server says that the version is gone (410),
 * and reconnects with back-off when a connection ends. `synced` resolves after the first list.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */
export function follow<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  options: FollowOptions,
  handlers: FollowHandlers<T>,
): Running & { synced: Promise<void> } {
  const { clock = systemClock, log = silentLog } = options
  const abort = new AbortController()
  const { signal } = abort
  const backoff = createBackoff({ initialMs: 200, maxMs: 10_000 })
  const firstList = Promise.withResolvers<void>()

  async function listAndWatch(): Promise<void> {
    const { items, resourceVersion } = await client.list(resource, options)
    handlers.onList(items)
    firstList.resolve()
    let version = resourceVersion
    while (!signal.aborted) {
      // Ends in time on purpose, so that a connection that died silently is noticed.
      const timeoutSeconds = 240 + Math.floor(Math.random() * 60)
      for await (const event of client.watch(resource, {
        ...options,
        resourceVersion: version,
        timeoutSeconds,
        signal,
      })) {
        backoff.reset()
        if (event.type === 'ERROR') {
          const { code = 500, message = 'watch failed', reason = '' } = event.object
          throw new KubeError(message, { status: code, reason })
        }
        version = event.object.metadata.resourceVersion ?? version
        if (event.type !== 'BOOKMARK') handlers.onChange(event.type, event.object)
      }
      await sleep(Math.min(backoff.next(), 1000), { clock, signal })
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await listAndWatch()
      } catch (error) {
        if (signal.aborted) return
        const gone = error instanceof KubeError && error.status === 410
        if (!gone) log.warn({ err: error, resource: resource.plural }, 'watch interrupted, listing again')
        await sleep(gone ? 0 : backoff.next(), { clock, signal }).catch(() => undefined)
      }
    }
  }

  const running = run()
  return {
    synced: firstList.promise,
    async stop() {
      abort.abort(new Error('stopped'))
      await running
    },
  }
}
