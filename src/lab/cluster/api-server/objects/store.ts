import { openJournal } from '#lib/files'
import { expired } from '../api-error.ts'
import { type ApiObject, deepFreeze, isRecord } from '../api-object.ts'

/** Key of a kind in the store: `pods`, `daemonsets.apps`, … */
export type ResourceKey = string

/** One write. `previous` is the object before it, `object` after it (the last state, when deleted). */
export interface Change {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  revision: number
  resource: ResourceKey
  object: ApiObject
  previous: ApiObject | undefined
}

/**
 * All objects of all kinds, in memory and in a journal. Every write gets the next revision of one counter
 * (`metadata.resourceVersion`), so that a watch can go on from any list.
 */
export interface Store {
  readonly revision: number
  get(resource: ResourceKey, namespace: string | undefined, name: string): ApiObject | undefined
  /** Ordered by namespace and name. All namespaces when `namespace` is undefined. */
  list(resource: ResourceKey, namespace?: string): ApiObject[]
  /** Every object of every kind. */
  all(): Iterable<{ resource: ResourceKey; object: ApiObject }>
  put(resource: ResourceKey, object: ApiObject): ApiObject
  remove(resource: ResourceKey, object: ApiObject): ApiObject
  /**
   * Calls `listener` for the changes after `revision`, first the remembered ones, then each new one until the returned function
   * is called. Throws 410 Expired when changes since then are forgotten.
   */
  follow(revision: number, listener: (change: Change) => void): () => void
  close(): void
}

export interface StoreOptions {
  /** Journal file. */
  file: string
  /** Changes that a watch can go back. Default 5,000. */
  remembered?: number
}

interface Entry {
  resource: ResourceKey
  revision: number
  object: ApiObject
  deleted?: true
}

/** The journal is rewritten when it holds this many times more lines than there are objects. */
const compactFactor = 20

/** Opens or creates the store. Throws when its file is damaged; the file is left as it is. */
export function openStore({ file, remembered = 5_000 }: StoreOptions): Store {
  const journal = openJournal(file)
  const kinds = new Map<ResourceKey, Map<string, ApiObject>>()
  const listeners = new Set<(change: Change) => void>()
  const history: Change[] = []
  let revision = 0
  let lines = 0

  for (const [index, entry] of journal.entries.entries()) replay(parseEntry(entry, file, index + 1))
  let oldest = revision
  journal.compact(snapshot())

  function kind(resource: ResourceKey): Map<string, ApiObject> {
    const objects = kinds.get(resource) ?? new Map<string, ApiObject>()
    kinds.set(resource, objects)
    return objects
  }

  function replay({ resource, revision: at, object, deleted }: Entry): void {
    revision = Math.max(revision, at)
    if (deleted) kind(resource).delete(keyOf(object))
    else kind(resource).set(keyOf(object), deepFreeze(object))
  }

  function* snapshot(): Iterable<Entry> {
    lines = 0
    for (const [resource, objects] of kinds) {
      for (const object of objects.values()) {
        lines++
        yield { resource, revision: Number(object.metadata.resourceVersion), object }
      }
    }
    // Keeps the counter where it was when the newest write was a deletion.
    yield { resource: 'revision', revision, object: placeholder, deleted: true }
  }

  /** On disk first, so that nobody sees what a restart would not know. */
  function write(resource: ResourceKey, object: ApiObject, deleted: boolean): ApiObject {
    const resourceVersion = String(revision + 1)
    const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion } })
    journal.append({ resource, revision: revision + 1, object: stored, ...(deleted ? { deleted } : {}) })
    revision++
    const objects = kind(resource)
    const previous = objects.get(keyOf(stored))
    if (deleted) objects.delete(keyOf(stored))
    else objects.set(keyOf(stored), stored)
    compactWhenLong()
    const type = deleted ? 'DELETED' : previous === undefined ? 'ADDED' : 'MODIFIED'
    announce({ type, revision, resource, object: stored, previous })
    return stored
  }

  function announce(change: Change): void {
    history.push(change)
    if (history.length > remembered * 2) oldest = history.splice(0, history.length - remembered).at(-1)?.revision ?? 0
    for (const listener of [...listeners]) listener(change)
  }

  function compactWhenLong(): void {
    const objects = [...kinds.values()].reduce((sum, { size }) => sum + size, 0)
    if (++lines < 1_000 + compactFactor * objects) return
    try {
      journal.compact(snapshot())
    } catch {
      // The disk is too full for a second copy; the long journal is as good, and the next round tries again.
      lines = 0
    }
  }

  return {
    get revision() {
      return revision
    },
    get: (resource, namespace, name) => kinds.get(resource)?.get(`${namespace ?? ''}/${name}`),
    list(resource, namespace) {
      const objects = [...(kinds.get(resource)?.entries() ?? [])]
      const wanted = namespace === undefined ? objects : objects.filter(([key]) => key.startsWith(`${namespace}/`))
      return wanted.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
    },
    *all() {
      for (const [resource, objects] of kinds) for (const object of [...objects.values()]) yield { resource, object }
    },
    put: (resource, object) => write(resource, object, false),
    remove: (resource, object) => write(resource, object, true),
    follow(from, listener) {
      if (from < oldest) throw expired(from, oldest)
      for (const change of history) if (change.revision > from) listener(change)
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => journal.close(),
  }
}

const placeholder: ApiObject = { apiVersion: 'v1', kind: 'Revision', metadata: { name: 'revision' } }

function keyOf({ metadata }: ApiObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

function parseEntry(entry: unknown, file: string, line: number): Entry {
  if (
    isRecord(entry) &&
    typeof entry.resource === 'string' &&
    typeof entry.revision === 'number' &&
    isRecord(entry.object) &&
    isRecord(entry.object.metadata) &&
    typeof entry.object.metadata.name === 'string'
  ) {
    return entry as unknown as Entry
  }
  throw new Error(
    `State file ${file} is corrupt at line ${line}: expected {"resource", "revision", "object"}. Restore it from a copy, or move it away to start empty`,
  )
}
