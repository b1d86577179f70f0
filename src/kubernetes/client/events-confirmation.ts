import { type LimitTable, orUndefined } from '#lib'
import { formatDuration, listOf, parseDuration, parseJson, recordOf, stringOf } from '#lib/formats'

/**
 * The operator's word that it hears of every change in some vaults: the value of `csiDriverAnnotations.eventsConfirmed`. While it is
 * renewed, drivers poll objects of these vaults at its interval instead of their own.
 */
export interface EventsConfirmation {
  /** Grows with each confirmation: a driver trusts one for a few minutes after it first saw it, by its own clock. */
  beat: number
  /** When it was written, in milliseconds since the Unix epoch: for people. */
  at: number
  /** Of polling while this is renewed, in milliseconds. */
  intervalMs: number
  /** By host of the vault, the period since which no change was missed: a new one may have missed some before it. */
  vaults: ReadonlyMap<string, string>
  /** Classes of these namespaces only; undefined: all. */
  namespaces: readonly string[] | undefined
  /** Namespaces that have classes of which the operator knows no objects. */
  except: readonly string[]
}

const hour = 3_600_000

/** Each driver of the cluster reads it, and it may never end polling. */
export const eventsConfirmationLimits = {
  bytes: {
    value: 32 * 1024,
    unit: 'bytes',
    what: 'annotation keymount.dev/events-confirmed of the CSIDriver object',
    beyond: 'The operator confirms nothing, and drivers ignore a longer one: they poll at their own intervals.',
  },
  names: {
    value: 200,
    unit: 'count',
    what: 'vaults, and namespaces, in the annotation keymount.dev/events-confirmed',
    beyond: 'The operator confirms nothing, and drivers ignore a longer list: they poll at their own intervals.',
  },
  intervalMs: {
    value: 168 * hour,
    unit: 'milliseconds',
    what: 'time between two polls of a volume while events are confirmed',
    beyond: 'The operator does not start, and drivers ignore the confirmation.',
    flag: 'operator --events-quiet-poll-interval',
  },
} as const satisfies LimitTable

/** Undefined for a text that the operator did not write: nothing follows from it. */
export function parseEventsConfirmation(text: string): EventsConfirmation | undefined {
  const found = recordOf(jsonOf(text))
  if (found === undefined) return undefined
  const { beat } = found
  const at = Date.parse(stringOf(found.at) ?? '')
  const intervalMs = parseDuration(stringOf(found.interval) ?? '') ?? 0
  const vaults = Object.entries(recordOf(found.vaults) ?? {}).map(([host, period]) => [host, stringOf(period) ?? ''])
  const namespaces = found.namespaces === undefined ? undefined : namesOf(found.namespaces)
  const except = namesOf(found.except ?? [])
  const isKnown =
    typeof beat === 'number' &&
    Number.isSafeInteger(beat) &&
    beat > 0 &&
    !Number.isNaN(at) &&
    intervalMs >= 1000 &&
    intervalMs <= eventsConfirmationLimits.intervalMs.value &&
    vaults.length <= eventsConfirmationLimits.names.value &&
    vaults.every(([host = '', period = '']) => isHost(host) && periodPattern.test(period)) &&
    (found.namespaces === undefined || namespaces !== undefined)
  if (!isKnown || except === undefined) return undefined
  return { beat, at, intervalMs, vaults: new Map(vaults as [string, string][]), namespaces, except }
}

/** The text of the annotation; undefined where it does not fit. */
export function printEventsConfirmation(confirmation: EventsConfirmation): string | undefined {
  const { beat, at, intervalMs, vaults, namespaces, except } = confirmation
  const text = JSON.stringify({
    beat,
    at: new Date(at).toISOString(),
    interval: formatDuration(intervalMs),
    vaults: Object.fromEntries(vaults),
    namespaces,
    except: except.length === 0 ? undefined : except,
  })
  return parseEventsConfirmation(text) === undefined ? undefined : text
}

/** Whether it holds for a volume of the namespace that reads objects of these vaults; none for unknown ones. */
export function isConfirmed(
  { vaults, namespaces, except }: EventsConfirmation,
  { namespace, hosts }: { namespace: string; hosts: readonly string[] },
): boolean {
  const isOfNamespace = (namespaces?.includes(namespace) ?? true) && !except.includes(namespace)
  return isOfNamespace && hosts.length > 0 && hosts.every((host) => vaults.has(host))
}

const periodPattern = /^[a-z0-9-]{1,40}$/
const namePattern = /^[a-z0-9][a-z0-9.-]{0,252}$/

function isHost(text: string): boolean {
  return namePattern.test(text)
}

function namesOf(value: unknown): readonly string[] | undefined {
  const list = listOf(value)
  if (list === undefined || list.length > eventsConfirmationLimits.names.value) return undefined
  const names = list.filter((one): one is string => typeof one === 'string' && namePattern.test(one))
  return names.length === list.length ? names : undefined
}

function jsonOf(text: string): unknown {
  const { bytes, names } = eventsConfirmationLimits
  return orUndefined(() =>
    parseJson('the annotation', text, { maxLength: bytes.value, maxDepth: 4, maxValues: 4 * names.value }),
  )
}
