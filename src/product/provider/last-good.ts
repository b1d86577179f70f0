import { type Clock, systemClock } from '#lib'
import { createFairBudget, type FairBudget } from '#lib/async'
import { providerLimits } from './provider-limits.ts'

/** An object of a vault, as one identity has read it. */
export interface KeptObject {
  /** Key of the identity, see `createIdentityKeys`. */
  identity: string
  /** Cloud, vault, type and name. */
  name: string
}

export interface Kept<T> {
  value: T
  /** When the vault was asked for it, by `clock.elapsed()`. */
  asked: number
}

export interface KeepOptions extends KeptObject {
  /** Whose memory it counts as: the namespace of the pod. */
  owner: string
  /** Which answer of the object: its current version, another one, or the list of them. */
  what: string
  bytes: number
  /** How long it is kept, from `asked` on, in milliseconds. */
  forMs: number
  /** When the object expires, in milliseconds since the epoch; undefined for never. It is not served after that. */
  expiresAt: number | undefined
  /** Whether it was read just now. What others have read only prolongs the time of the same answer: it may have been refused since. */
  isOwnRead: boolean
}

/**
 * The last good answers of vaults, in memory only, for the time in which a vault or Entra cannot answer. The caller has
 * proven the identity of the key; nothing here does. The least recently used object goes first.
 */
export interface LastGood {
  keep(kept: Kept<unknown>, options: KeepOptions): void
  /** @param maxAgeMs since it was asked for. */
  find(object: KeptObject, what: string, maxAgeMs: number): Kept<unknown> | undefined
  /** After a vault refused the object to the identity, and after Entra refused the identity. */
  forget(object: KeptObject): void
  forgetIdentity(identity: string): void
  readonly bytes: number
  stop(): void
}

export interface LastGoodOptions {
  clock?: Clock | undefined
  /** Default: see `providerLimits`. */
  maxBytes?: number | undefined
}

interface Answer extends Kept<unknown> {
  bytes: number
  until: number
  expiresAt: number | undefined
}

interface Entry extends KeptObject {
  key: string
  owner: string
  bytes: number
  answers: Map<string, Answer>
}

interface State {
  clock: Clock
  maxBytes: number
  budget: FairBudget
  /** The least recently used comes first. */
  entries: Map<string, Entry>
  ofIdentity: Map<string, Set<Entry>>
  cancelSweep: (() => void) | undefined
}

/** Time between two sweeps of what has become too old. */
const sweepMs = 10 * 60_000

export function createLastGood({
  clock = systemClock,
  maxBytes = providerLimits.lastGoodBytes.value,
}: LastGoodOptions = {}): LastGood {
  const state: State = {
    clock,
    maxBytes,
    budget: createFairBudget(maxBytes),
    entries: new Map(),
    ofIdentity: new Map(),
    cancelSweep: undefined,
  }
  return {
    keep: (kept, options) => keep(state, kept, options),
    find: (object, what, maxAgeMs) => find(state, object, what, maxAgeMs),
    forget(object) {
      const entry = state.entries.get(keyOf(object))
      if (entry !== undefined) remove(state, entry)
    },
    forgetIdentity(identity) {
      for (const entry of state.ofIdentity.get(identity) ?? []) remove(state, entry)
    },
    get bytes() {
      return state.budget.used
    },
    stop() {
      state.cancelSweep?.()
      for (const entry of state.entries.values()) remove(state, entry)
    },
  }
}

function keep(state: State, { value, asked }: Kept<unknown>, options: KeepOptions): void {
  const { what, bytes, forMs, expiresAt, owner, isOwnRead } = options
  const found = state.entries.get(keyOf(options))
  const before = found?.answers.get(what)
  const until = Math.max(before?.until ?? Number.NEGATIVE_INFINITY, asked + forMs)
  if (until <= state.clock.elapsed() || bytes > state.maxBytes / 4) return
  const isSame = before !== undefined && before.asked >= asked
  if (!isOwnRead && !isSame) return
  const entry = found ?? open(state, options)
  const answer = isSame ? { ...before, until } : { value, asked, bytes, until, expiresAt }
  entry.answers.set(what, answer)
  state.budget.add(entry.owner, -entry.bytes)
  entry.owner = owner
  entry.bytes += answer.bytes - (before?.bytes ?? 0)
  state.budget.add(owner, entry.bytes)
  use(state, entry)
  while (state.budget.used > state.maxBytes) remove(state, victimOf(state, entry))
  state.cancelSweep ??= state.clock.after(sweepMs, () => sweep(state))
}

function open(state: State, { identity, name, owner }: KeepOptions): Entry {
  const entry: Entry = { identity, name, owner, key: keyOf({ identity, name }), bytes: 0, answers: new Map() }
  const siblings = state.ofIdentity.get(identity) ?? new Set()
  siblings.add(entry)
  state.ofIdentity.set(identity, siblings)
  return entry
}

/** A namespace with more than a quarter of the memory makes room itself, so that no other one loses what it needs. */
function victimOf({ entries, budget, maxBytes }: State, added: Entry): Entry {
  const isGreedy = ({ owner }: Entry) => budget.usedBy(owner) > maxBytes / 4
  let oldest: Entry | undefined
  for (const entry of entries.values()) {
    oldest ??= entry
    if (isGreedy(entry)) return entry
  }
  return oldest ?? added
}

function find(state: State, object: KeptObject, what: string, maxAgeMs: number): Kept<unknown> | undefined {
  const { clock } = state
  const entry = state.entries.get(keyOf(object))
  const answer = entry?.answers.get(what)
  if (entry === undefined || answer === undefined) return undefined
  const isOld = clock.elapsed() - answer.asked > maxAgeMs
  if (isOld || (answer.expiresAt ?? Number.POSITIVE_INFINITY) <= clock.now()) return undefined
  use(state, entry)
  return answer
}

function use({ entries }: State, entry: Entry): void {
  entries.delete(entry.key)
  entries.set(entry.key, entry)
}

function remove({ entries, ofIdentity, budget }: State, entry: Entry): void {
  entries.delete(entry.key)
  budget.add(entry.owner, -entry.bytes)
  const siblings = ofIdentity.get(entry.identity)
  siblings?.delete(entry)
  if (siblings?.size === 0) ofIdentity.delete(entry.identity)
}

function sweep(state: State): void {
  const now = state.clock.elapsed()
  for (const entry of [...state.entries.values()]) {
    for (const [what, { until, bytes }] of entry.answers) {
      if (until >= now) continue
      entry.answers.delete(what)
      entry.bytes -= bytes
      state.budget.add(entry.owner, -bytes)
    }
    if (entry.answers.size === 0) remove(state, entry)
  }
  state.cancelSweep = state.entries.size === 0 ? undefined : state.clock.after(sweepMs, () => sweep(state))
}

function keyOf({ identity, name }: KeptObject): string {
  return JSON.stringify([identity, name])
}
