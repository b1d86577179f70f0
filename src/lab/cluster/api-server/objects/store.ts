import { type Journal, openJournal } from '#lib/files'
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
 * (`metadata.resourceVersion`), so that a watch can continue from any list.
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
   * Calls `listener` for every change after `revision`: first those in the history, then each new one until the returned
   * function is called. Throws 410 Expired when the history no longer reaches back to `revision`.
   */
  follow(revision: number, listener: (change: Change) => void): () => void
  close(): void
}

export interface StoreOptions {
  /** Journal file. */
  file: string
  /** Changes in the history, which a watch can start from. Default 5,000. */
  remembered?: number | undefined
}

interface Entry {
  resource: ResourceKey
  revision: number
  object: ApiObject
  deleted?: true
}

/** The journal is rewritten when it holds this many times more lines than there are objects. */
const compactFactor = 20

interface State {
  journal: Journal
  kinds: Map<ResourceKey, Map<string, ApiObject>>
  listeners: Set<(change: Change) => void>
  /** The newest changes, for watches that start from an older revision. */
  history: Change[]
  /** Length of the history after it was shortened. */
  remembered: number
  revision: number
  /** Revision before the oldest change in the history. */
  oldest: number
  /** Lines in the journal. */
  lines: number
}

/** Opens or creates the store. Throws when its file is damaged; the file is left as it is. */
export function openStore({ file, remembered = 5_000 }: StoreOptions): Store {
  const journal = openJournal(file)
  const state: State = {
    journal,
    kinds: new Map(),
    listeners: new Set(),
    history: [],
    remembered,
    revision: 0,
    oldest: 0,
    lines: 0,
  }
  for (const [index, entry] of journal.entries.entries()) replay(state, parseEntry(entry, file, index + 1))
  state.oldest = state.revision
  journal.compact(snapshot(state))
  return {
    get revision() {
      return state.revision
    },
    get: (resource, namespace, name) => state.kinds.get(resource)?.get(`${namespace ?? ''}/${name}`),
    list: (resource, namespace) => list(state, resource, namespace),
    *all() {
      for (const [resource, objects] of state.kinds) {
        for (const object of [...objects.values()]) yield { resource, object }
      }
    },
    put: (resource, object) => write(state, resource, object, false),
    remove: (resource, object) => write(state, resource, object, true),
    follow: (from, listener) => follow(state, from, listener),
    close: () => journal.close(),
  }
}

function replay(state: State, { resource, revision, object, deleted }: Entry): void {
  state.revision = Math.max(state.revision, revision)
  if (deleted) kindOf(state, resource).delete(keyOf(object))
  else kindOf(state, resource).set(keyOf(object), deepFreeze(object))
}

function* snapshot(state: State): Iterable<Entry> {
  state.lines = 0
  for (const [resource, objects] of state.kinds) {
    for (const object of objects.values()) {
      state.lines++
      yield { resource, revision: Number(object.metadata.resourceVersion), object }
    }
  }
  // Preserves the counter when the newest write was a deletion.
  yield { resource: 'revision', revision: state.revision, object: placeholder, deleted: true }
}

function list({ kinds }: State, resource: ResourceKey, namespace: string | undefined): ApiObject[] {
  const objects = [...(kinds.get(resource)?.entries() ?? [])]
  const wanted = namespace === undefined ? objects : objects.filter(([key]) => key.startsWith(`${namespace}/`))
  return wanted.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
}

/** Writes to disk first, so that clients see nothing that a restart would lose. */
function write(state: State, resource: ResourceKey, object: ApiObject, deleted: boolean): ApiObject {
  const revision = state.revision + 1
  const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } })
  state.journal.append({ resource, revision, object: stored, ...(deleted ? { deleted } : {}) })
  state.revision = revision
  const objects = kindOf(state, resource)
  const previous = objects.get(keyOf(stored))
  if (deleted) objects.delete(keyOf(stored))
  else objects.set(keyOf(stored), stored)
  compactWhenLong(state)
  const type = deleted ? 'DELETED' : previous === undefined ? 'ADDED' : 'MODIFIED'
  announce(state, { type, revision, resource, object: stored, previous })
  return stored
}

function compactWhenLong(state: State): void {
  const objects = [...state.kinds.values()].reduce((sum, { size }) => sum + size, 0)
  if (++state.lines < 1_000 + compactFactor * objects) return
  try {
    state.journal.compact(snapshot(state))
  } catch {
    // The disk has no room for a second copy. The long journal still works; compaction is tried again later.
    state.lines = 0
  }
}

function announce(state: State, change: Change): void {
  const { history, remembered } = state
  history.push(change)
  if (history.length > remembered * 2) {
    state.oldest = history.splice(0, history.length - remembered).at(-1)?.revision ?? 0
  }
  for (const listener of [...state.listeners]) listener(change)
}

function follow({ history, listeners, oldest }: State, from: number, listener: (change: Change) => void): () => void {
  if (from < oldest) throw expired(from, oldest)
  for (const change of history) if (change.revision > from) listener(change)
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function kindOf({ kinds }: State, resource: ResourceKey): Map<string, ApiObject> {
  const objects = kinds.get(resource) ?? new Map<string, ApiObject>()
  kinds.set(resource, objects)
  return objects
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
