import { type ClassChange, classChangeLimits, everyObject } from '#kubernetes/client'
import { backoffMs } from '#lib/async'
import { type ClassIndex, namespaceOf } from './class-index.ts'
import type { Spread } from './spread-seconds.ts'
import type { IgnoredReason, VaultEvent } from './vault-event.ts'

/** A class that is to be annotated. */
export interface PendingChange {
  /** `namespace/name` of the class. */
  key: string
  /** The annotation has its id and time. */
  newest: VaultEvent
  /** Ids, by the object without its version; {@link everyObject} under its own name. */
  objects: Map<string, string>
  /** Ids of the events that are done with it. */
  events: Set<string>
  /** When the first of them was received, in milliseconds since the Unix epoch. */
  seen: number
}

/** An event that waits for its classes. */
interface OpenEvent {
  /** The event, each time that it was delivered. */
  deliveries: VaultEvent[]
  /** Classes that are not annotated yet. */
  classes: Set<string>
}

/** What was written to a class lately. */
interface WrittenChange {
  /** By `clock.elapsed()`. */
  at: number
  /** Ids by the object without its version, and when each was written first. */
  objects: Map<string, { id: string; at: number }>
}

/**
 * Events that were received and classes that are to be annotated because of them. The functions of this file decide about it without
 * waiting for anything: the simulation runs them with lost, late, repeated and reordered events.
 */
export interface Backlog {
  open: Map<string, OpenEvent>
  pending: Map<string, PendingChange>
  written: Map<string, WrittenChange>
  /** Not before, by `clock.elapsed()`, after a failure; and failures in a row. */
  failed: Map<string, { notBefore: number; count: number }>
  /** Classes that are being annotated. */
  writing: Set<string>
  /** Ids of events that are done, the oldest first. */
  handled: Set<string>
  /** Of events and classes that wait for each other: what the memory of `open` and `pending` depends on. */
  pairs: number
  /** Namespaces, the one served last at the end. */
  served: Set<string>
}

export function createBacklog(): Backlog {
  return {
    open: new Map(),
    pending: new Map(),
    written: new Map(),
    failed: new Map(),
    writing: new Set(),
    handled: new Set(),
    pairs: 0,
    served: new Set(),
  }
}

/** Time between two changes of a class. */
export const betweenChangesMs = 1000
/**
 * A change repeats the objects of the changes in this time before it: a driver that lists a class again sees only the last of several
 * changes.
 */
const repeatMs = 30_000
const mostHandled = 10_000
const mostServed = 10_000
const backoff = { initialMs: 1000, maxMs: 60_000 }

export interface AcceptWorld {
  index: Pick<ClassIndex, 'match'>
  /** The annotation that the class has. */
  changeOf(key: string): ClassChange | undefined
  /** In milliseconds since the Unix epoch. */
  now: number
}

export interface Accepted {
  /** To be given back to their source now. */
  finished: VaultEvent[]
  ignored: IgnoredReason[]
}

/** Takes events in. */
export function accept(backlog: Backlog, events: readonly VaultEvent[], world: AcceptWorld): Accepted {
  const accepted: Accepted = { finished: [], ignored: [] }
  for (const event of events) {
    const ignored = acceptOne(backlog, event, world)
    if (ignored === undefined) continue
    accepted.finished.push(event)
    accepted.ignored.push(ignored)
  }
  return accepted
}

/** Why the event leads to nothing; undefined where it is open now. */
function acceptOne(
  backlog: Backlog,
  event: VaultEvent,
  { index, changeOf, now }: AcceptWorld,
): IgnoredReason | undefined {
  if (backlog.handled.has(event.id)) return 'duplicate'
  const before = backlog.open.get(event.id)
  if (before !== undefined) {
    before.deliveries.push(event)
    return undefined
  }
  const { classes, pinned } = index.match(event)
  if (classes.size === 0) return pinned ? 'pinned' : 'unmatched'
  const concerned = [...classes].filter(([key, objects]) => !isCovered(event, objects, changeOf(key)))
  if (concerned.length === 0) {
    remember(backlog, event.id)
    return 'duplicate'
  }
  backlog.open.set(event.id, { deliveries: [event], classes: new Set(concerned.map(([key]) => key)) })
  backlog.pairs += concerned.length
  for (const [key, objects] of concerned) addPending(backlog, key, event, objects, now)
  return undefined
}

/**
 * Whether the class was annotated because of this event, by an operator that ended before it had deleted the message. An older version
 * of an object does not count as covered by a newer one: which of two was first is decided by clocks that differ.
 */
function isCovered(event: VaultEvent, objects: readonly string[], change: ClassChange | undefined): boolean {
  if (change === undefined) return false
  if (change.id === event.id) return true
  return event.version !== '' && objects.every((id) => change.objects.includes(id))
}

function addPending(backlog: Backlog, key: string, event: VaultEvent, objects: readonly string[], now: number): void {
  const found = backlog.pending.get(key)
  const change = found ?? { key, newest: event, objects: new Map(), events: new Set(), seen: now }
  backlog.pending.set(key, change)
  const isNewest = event.at >= change.newest.at
  if (isNewest) change.newest = event
  for (const id of objects) {
    const name = withoutVersion(id)
    if (isNewest || !change.objects.has(name)) addObject(change.objects, name, id)
  }
  change.events.add(event.id)
}

/** A change of more objects than an annotation can name is one of every object. */
function addObject(objects: Map<string, string>, name: string, id: string): void {
  if (objects.has(everyObject)) return
  objects.set(name, id)
  if (objects.size <= classChangeLimits.objects.value) return
  objects.clear()
  objects.set(everyObject, everyObject)
}

/** The classes to annotate now, at most `limit`: namespaces take turns, the one served least recently first. */
export function dueClasses(
  { pending, written, failed, writing, served }: Backlog,
  elapsed: number,
  limit: number,
): string[] {
  const byNamespace = new Map<string, string[]>()
  for (const key of pending.keys()) {
    if (writing.has(key) || dueAt({ written, failed }, key) > elapsed) continue
    const keys = byNamespace.get(namespaceOf(key)) ?? []
    keys.push(key)
    byNamespace.set(namespaceOf(key), keys)
  }
  const order = new Map([...served].map((namespace, index) => [namespace, index]))
  const turns = [...byNamespace].toSorted(([a], [b]) => (order.get(a) ?? -1) - (order.get(b) ?? -1))
  const due: string[] = []
  for (let turn = 0; due.length < limit && byNamespace.size > 0; turn++)
    for (const [namespace, keys] of turns) {
      const key = keys[turn]
      if (key === undefined) byNamespace.delete(namespace)
      else if (due.length < limit) due.push(key)
    }
  return due
}

/** When the next class is due, by `clock.elapsed()`; infinity where none is pending. */
export function nextDueAt({ pending, written, failed, writing }: Backlog): number {
  let next = Number.POSITIVE_INFINITY
  for (const key of pending.keys()) if (!writing.has(key)) next = Math.min(next, dueAt({ written, failed }, key))
  return next
}

function dueAt({ written, failed }: Pick<Backlog, 'written' | 'failed'>, key: string): number {
  const after = (written.get(key)?.at ?? Number.NEGATIVE_INFINITY) + betweenChangesMs
  return Math.max(after, failed.get(key)?.notBefore ?? Number.NEGATIVE_INFINITY)
}

/** Begins to annotate a class. Events that come from now on are a change of their own. */
export function takePending(backlog: Backlog, key: string): PendingChange {
  const change = backlog.pending.get(key)
  if (change === undefined) throw new Error(`nothing is pending for ${key}`)
  backlog.pending.delete(key)
  backlog.writing.add(key)
  const { served } = backlog
  served.delete(namespaceOf(key))
  served.add(namespaceOf(key))
  keepNewest(served, mostServed)
  return change
}

export interface ChangeWorld {
  /** The annotation that the class has, for what another operator wrote just before. */
  before: ClassChange | undefined
  spread: Spread
  now: number
  elapsed: number
}

/** The annotation of a change. */
export function annotationOf({ written }: Backlog, change: PendingChange, world: ChangeWorld): ClassChange {
  const { before, spread, now, elapsed } = world
  const recent = [...(written.get(change.key)?.objects.values() ?? [])].filter(({ at }) => elapsed - at < repeatMs)
  const others = before !== undefined && now - before.seen < repeatMs ? before.objects : []
  const objects = new Map([...others, ...recent.map(({ id }) => id)].map((id) => [withoutVersion(id), id]))
  for (const [name, id] of change.objects) objects.set(name, id)
  const isAll = objects.has(everyObject) || objects.size > classChangeLimits.objects.value
  return {
    id: change.newest.id,
    at: change.newest.at,
    seen: change.seen,
    objects: isAll ? [everyObject] : [...objects.values()],
    ...spread,
  }
}

/** The class is annotated, or need not be. The events that are done with it. */
export function changeWritten(backlog: Backlog, change: PendingChange, elapsed: number): VaultEvent[] {
  const { key } = change
  backlog.writing.delete(key)
  backlog.failed.delete(key)
  const before = [...(backlog.written.get(key)?.objects ?? [])].filter(([, { at }]) => elapsed - at < repeatMs)
  const objects = new Map(before)
  for (const [name, id] of change.objects) objects.set(name, { id, at: elapsed })
  backlog.written.delete(key)
  backlog.written.set(key, { at: elapsed, objects })
  forgetOld(backlog, elapsed)
  return [...change.events].flatMap((id) => finish(backlog, id, key))
}

/** The class could not be annotated: it is pending again, for later. */
export function changeFailed(backlog: Backlog, change: PendingChange, elapsed: number): void {
  const { key } = change
  backlog.writing.delete(key)
  const count = (backlog.failed.get(key)?.count ?? 0) + 1
  const waitMs = backoffMs(count, backoff)
  backlog.failed.set(key, { count, notBefore: elapsed + waitMs })
  const since = backlog.pending.get(key)
  if (since !== undefined) {
    if (since.newest.at >= change.newest.at) change.newest = since.newest
    for (const [name, id] of since.objects) addObject(change.objects, name, id)
    for (const id of since.events) change.events.add(id)
  }
  backlog.pending.set(key, change)
}

/** Events are done with a class: those that wait for no other are finished. */
function finish(backlog: Backlog, id: string, key: string): VaultEvent[] {
  const open = backlog.open.get(id)
  if (open === undefined || !open.classes.delete(key)) return []
  backlog.pairs--
  if (open.classes.size > 0) return []
  backlog.open.delete(id)
  remember(backlog, id)
  return open.deliveries
}

function remember({ handled }: Backlog, id: string): void {
  handled.add(id)
  keepNewest(handled, mostHandled)
}

function keepNewest(set: Set<string>, most: number): void {
  for (const oldest of set) {
    if (set.size <= most) break
    set.delete(oldest)
  }
}

/** The oldest are first. */
function forgetOld({ written }: Backlog, elapsed: number): void {
  for (const [key, { at }] of written) {
    if (elapsed - at < repeatMs) break
    written.delete(key)
  }
}

/** `https://HOST/COLLECTION/NAME` in lower case; {@link everyObject} as it is. */
function withoutVersion(id: string): string {
  return id.split('/').slice(0, 5).join('/').toLowerCase()
}
