import { randomUUID } from 'node:crypto'
import {
  csiDriverAnnotations,
  type EventsConfirmation,
  eventsConfirmationLimits,
  type KubeClient,
  parseEventsConfirmation,
  printEventsConfirmation,
  resources,
} from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running, repeat } from '#lib'
import { namespaceOf } from './class-index.ts'
import type { EventSource } from './vault-event.ts'

/** While it is confirmed that every change is heard of, drivers poll rarely. */
export interface QuietPolling {
  /** Name of the CSIDriver object, where the drivers read the confirmation. */
  driverName: string
  /** Of their polls meanwhile, in milliseconds. */
  intervalMs: number
}

export interface ConfirmOptions extends QuietPolling {
  kube: KubeClient
  sources: readonly EventSource[]
  /** Empty: all. */
  namespaces: readonly string[]
  /** Namespaces with classes whose events reach no volume. */
  unmatched(): Iterable<string>
  /** Ids of the events that wait for classes, with the keys of these. */
  waiting(): Iterable<readonly [id: string, classes: Iterable<string>]>
  onConfirmed(hosts: readonly string[]): void
  clock: Clock
  log: Log
}

export interface Confirming extends Running {
  /** The source has answered, and what it reported was taken in. */
  answered(source: EventSource): void
}

interface SourceState {
  /** By `clock.elapsed()`; undefined before the first answer. */
  answeredAt: number | undefined
  /** As its coverage counted when the periods began. */
  lost: number
  /** By host. */
  periods: Map<string, string>
}

interface State extends ConfirmOptions {
  bySource: Map<EventSource, SourceState>
  /** The events that wait, and since when they were seen to, by `clock.elapsed()`. */
  waitingSince: ReadonlyMap<string, number>
  /** The confirmation of an operator before this one has been read. */
  isContinued: boolean
}

/** Drivers trust a confirmation for a few minutes. */
const betweenBeatsMs = 60_000
/** A source that has not answered for longer ends the confirmation of its vaults, an event that waits for longer that of its namespaces. */
const answerMs = 3 * 60_000
const waitingMs = 2 * 60_000
const timeoutMs = 10_000
/** By how much clocks of operators may differ. */
const clockDifferenceMs = 60_000

/**
 * Confirms every minute, on the CSIDriver object, the vaults of which every change is heard of. Whatever is not certain is left out, and
 * drivers then poll at their own intervals: a source that does not answer, a namespace where an event cannot be delivered or the objects of
 * a class are not known. What may have been missed begins a new period, upon which drivers read everything once.
 */
export function startConfirming(options: ConfirmOptions): Confirming {
  const { sources, clock } = options
  const bySource = new Map<EventSource, SourceState>()
  for (const source of sources)
    if (source.coverage !== undefined) bySource.set(source, { answeredAt: undefined, lost: 0, periods: new Map() })
  const state: State = { ...options, bySource, waitingSince: new Map(), isContinued: false }
  const confirming = repeat((signal) => confirmOnce(state, signal), { clock })
  return {
    answered(source) {
      const found = bySource.get(source)
      if (found === undefined) return
      const now = clock.elapsed()
      if (now - (found.answeredAt ?? now) > (source.coverage?.keepsMs ?? 0)) found.periods.clear()
      found.answeredAt = now
    },
    stop: confirming.stop,
  }
}

/** @returns when the next confirmation is due, in milliseconds */
async function confirmOnce(state: State, signal: AbortSignal): Promise<number> {
  try {
    await confirm(state, signal)
  } catch (error) {
    if (!signal.aborted) state.log.warn({ err: error }, `events cannot be confirmed: ${errorMessage(error)}`)
  }
  // Until every source has answered once: a confirmation without its vaults would make the drivers poll.
  const isComplete = [...state.bySource.values()].every(({ answeredAt }) => answeredAt !== undefined)
  return isComplete ? betweenBeatsMs : 1000
}

async function confirm(state: State, signal: AbortSignal): Promise<void> {
  const { kube, driverName: name, clock, namespaces, intervalMs, log } = state
  const stuck = stuckNamespaces(state)
  if (![...state.bySource.values()].some(({ answeredAt }) => answeredAt !== undefined)) return
  const { metadata } = await kube.get(resources.csiDrivers, { name }, { signal, timeoutMs })
  const before = parseEventsConfirmation(metadata.annotations?.[csiDriverAnnotations.eventsConfirmed] ?? '')
  if (!state.isContinued && before !== undefined) continuePeriods(state, before)
  state.isContinued = true
  const except = [...new Set([...state.unmatched(), ...stuck])].toSorted()
  const isUnclear = except.length > eventsConfirmationLimits.names.value
  const vaults = isUnclear ? new Map<string, string>() : confirmedVaults(state)
  const confirmation = {
    beat: (before?.beat ?? 0) + 1,
    at: clock.now(),
    intervalMs,
    vaults,
    namespaces: namespaces.length === 0 ? undefined : namespaces,
    except: isUnclear ? [] : except,
  }
  const text = printEventsConfirmation(confirmation)
  if (text === undefined) log.warn('events are not confirmed: there are too many vaults or namespaces')
  const annotations = { [csiDriverAnnotations.eventsConfirmed]: text ?? null }
  await kube.patch(resources.csiDrivers, { name }, { metadata: { annotations } }, { signal, timeoutMs })
  state.onConfirmed(text === undefined ? [] : [...vaults.keys()])
}

/**
 * Namespaces with classes for which an event has waited too long: when it arrives is not known. Others are not concerned, so that no
 * namespace, by thousands of classes, makes the drivers of all others poll.
 */
function stuckNamespaces(state: State): Set<string> {
  const now = state.clock.elapsed()
  const since = new Map<string, number>()
  const stuck = new Set<string>()
  for (const [id, classes] of state.waiting()) {
    const first = state.waitingSince.get(id) ?? now
    since.set(id, first)
    if (now - first <= waitingMs) continue
    for (const key of classes) stuck.add(namespaceOf(key))
  }
  state.waitingSince = since
  return stuck
}

/** What an operator before this one confirmed goes on where the source has kept what happened since. */
function continuePeriods({ bySource, clock }: State, { at, vaults }: EventsConfirmation): void {
  const age = clock.now() - at
  for (const [{ coverage }, { periods }] of bySource) {
    if (coverage === undefined || age < -clockDifferenceMs || age > coverage.keepsMs) continue
    for (const host of coverage.vaults) {
      const period = vaults.get(host)
      if (period !== undefined) periods.set(host, period)
    }
  }
}

function confirmedVaults({ bySource, clock }: State): Map<string, string> {
  const vaults = new Map<string, string>()
  for (const [{ coverage }, source] of bySource) {
    if (coverage === undefined) continue
    const lost = coverage.lost()
    if (lost !== source.lost) source.periods.clear()
    source.lost = lost
    const isHeard = source.answeredAt !== undefined && clock.elapsed() - source.answeredAt <= answerMs
    for (const host of coverage.vaults) {
      const period = source.periods.get(host) ?? randomUUID().slice(0, 8)
      source.periods.set(host, period)
      if (isHeard) vaults.set(host, period)
    }
  }
  return vaults
}
