import { CodedError } from '#lib'
import { type Journal, openJournal } from '#lib/files'

/**
 * The state of the local Azure: named collections of JSON records, kept in memory and in one journal. A commit is one
 * line of the journal, so several records change together or not at all, also at `kill -9`.
 */
export interface RecordStore {
  /** The collection of that name. Call it once per name: the caller defines the type of the records. */
  collection<T>(name: string): Collection<T>
  /** Makes the changes durable, then visible. Throws {@link StateWriteError} and changes nothing when writing fails. */
  commit(changes: readonly Change[]): void
  close(): void
}

export interface Collection<T> {
  readonly size: number
  get(key: string): T | undefined
  values(): IterableIterator<T>
  /** The change that puts a record, for {@link RecordStore.commit}. */
  put(key: string, value: T): Change
  /** The change that removes a record, if it exists. */
  remove(key: string): Change
  /** Calls `observe` for every record now, and for each change from now on; indexes are built with it. */
  observe(observe: (key: string, after: T | undefined, before: T | undefined) => void): void
}

/** A record put (`value`) or removed (no `value`). */
export type Change = readonly [collection: string, key: string, value?: unknown]

/** The state file cannot be written, so the request fails. */
export class StateWriteError extends CodedError<'state-not-written'> {}

/** Incremented when records change their meaning, so that an older program refuses a newer state. */
const format = 1

/** Outdated lines, beyond the number of records, after which the journal is rewritten. */
const maxOutdated = 5000

type Observer = (key: string, after: unknown, before: unknown) => void

interface Table {
  records: Map<string, unknown>
  observers: Observer[]
}

/** Opens the state at `path`. Throws, naming file and line, when it is corrupt or was written by a newer version. */
export function openRecordStore(path: string): RecordStore {
  const journal = openJournal(path)
  const tables = new Map<string, Table>()
  replay(path, journal, tables)
  let lines = journal.entries.length

  function compactIfNeeded(): void {
    const live = [...tables.values()].reduce((sum, { records }) => sum + records.size, 0)
    if (lines <= 2 * live + maxOutdated) return
    journal.compact(snapshot(tables))
    lines = live + 1
  }

  return {
    collection: <T>(name: string) => createCollection<T>(name, table(tables, name)),
    commit(changes) {
      if (changes.length === 0) return
      try {
        journal.append(changes)
      } catch (error) {
        throw new StateWriteError('state-not-written', `Cannot write the state file ${path}: ${String(error)}`, {
          cause: error,
        })
      }
      lines += 1
      for (const change of changes) apply(tables, change)
      try {
        compactIfNeeded()
      } catch {
        // The change is durable. When the disk is too full for a second copy, the file only stays longer.
      }
    },
    close: () => journal.close(),
  }
}

function createCollection<T>(name: string, { records, observers }: Table): Collection<T> {
  const typed = records as Map<string, T>
  return {
    get size() {
      return typed.size
    },
    get: (key) => typed.get(key),
    values: () => typed.values(),
    put: (key, value) => [name, key, value],
    remove: (key) => [name, key],
    observe(observe) {
      for (const [key, value] of typed) observe(key, value, undefined)
      observers.push(observe as Observer)
    },
  }
}

function replay(path: string, journal: Journal, tables: Map<string, Table>): void {
  const [header, ...commits] = journal.entries
  if (header === undefined) {
    journal.append({ format })
    return
  }
  const found = typeof header === 'object' && header !== null && 'format' in header ? header.format : undefined
  if (found !== format) {
    throw new Error(
      `State file ${path} has format ${JSON.stringify(found)}, this version reads format ${format}: use the version that wrote it, or move the file away to start empty`,
    )
  }
  for (const [index, commit] of commits.entries()) {
    if (!isCommit(commit)) throw new Error(`State file ${path} is corrupt at line ${index + 2}: not a list of changes`)
    for (const change of commit) apply(tables, change)
  }
}

function isCommit(entry: unknown): entry is Change[] {
  return Array.isArray(entry) && entry.every((change) => Array.isArray(change) && typeof change[1] === 'string')
}

function apply(tables: Map<string, Table>, [name, key, value]: Change): void {
  const { records, observers } = table(tables, name)
  const before = records.get(key)
  if (value === undefined) records.delete(key)
  else records.set(key, value)
  for (const observe of observers) observe(key, value, before)
}

function table(tables: Map<string, Table>, name: string): Table {
  let found = tables.get(name)
  if (found === undefined) {
    found = { records: new Map(), observers: [] }
    tables.set(name, found)
  }
  return found
}

function* snapshot(tables: Map<string, Table>): Generator<unknown> {
  yield { format }
  for (const [name, { records }] of tables) {
    for (const [key, value] of records) yield [[name, key, value]]
  }
}
