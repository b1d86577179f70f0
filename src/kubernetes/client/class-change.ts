import { createHash } from 'node:crypto'
import { type Limit, type LimitTable, orUndefined, withUnit } from '#lib'
import { listOf, parseJson, recordOf, stringOf } from '#lib/formats'

/** What changed in the vault of a class: the value of `classAnnotations.changed`. */
export interface ClassChange {
  /** Of the newest event. A new id makes the drivers check the volumes of the class. */
  id: string
  /** When it happened in the vault, in milliseconds since the Unix epoch. */
  at: number
  /** When the operator received it, in milliseconds since the Unix epoch. */
  seen: number
  /** Ids such as `https://shop.vault.azure.net/secrets/db/1f…`, or {@link everyObject} alone. */
  objects: readonly string[]
  /** Each driver waits a random part of this time before it reads, so that they do not all ask the vault at once. */
  spreadSeconds: number
  /** The same for a driver whose provider has to sign in for the read, so that they do not all ask Entra at once. Not shorter. */
  signInSpreadSeconds: number
}

/** In {@link ClassChange.objects}: each object of the class may have changed. */
export const everyObject = '*'

/**
 * A name of an object as the id of a change has it for a class that does not name the object itself, but selects objects of the vault: who
 * wrote the class need not have a right to know the names in that vault. A name of a vault has no `~`.
 */
export function concealedName(name: string): string {
  return `~${createHash('sha256').update(name.toLowerCase()).digest('hex').slice(0, 32)}`
}

/** A user who may edit a class can write its annotations, and each driver of the cluster reads them. */
export const classChangeLimits = {
  bytes: {
    value: 4096,
    unit: 'bytes',
    what: 'annotation keymount.dev/changed of a class',
    beyond: 'The operator writes that every object may have changed; drivers ignore a longer one.',
  },
  objects: {
    value: 100,
    unit: 'count',
    what: 'objects in the annotation keymount.dev/changed of a class',
    beyond: 'The operator writes that every object may have changed; drivers ignore a longer list.',
  },
  spreadSeconds: {
    value: 3600,
    unit: 'count',
    what: 'seconds over which the drivers spread their reads and sign-ins after a change (spreadSeconds, signInSpreadSeconds)',
    beyond: 'Drivers ignore the annotation.',
  },
} as const satisfies LimitTable

const longestId = 256
const longestObjectId = 512

/** Undefined for a text that the operator did not write: nothing follows from it. */
export function parseClassChange(text: string): ClassChange | undefined {
  const found = recordOf(jsonOf(text))
  if (found === undefined) return undefined
  const id = stringOf(found.id) ?? ''
  const at = Date.parse(stringOf(found.at) ?? '')
  const seen = Date.parse(stringOf(found.seen) ?? '')
  const objects = objectsOf(found.objects)
  const spreadSeconds = found.spreadSeconds ?? 0
  // Operators before this field wrote none.
  const signInSpreadSeconds = found.signInSpreadSeconds ?? spreadSeconds
  const isKnown = id !== '' && id.length <= longestId && !Number.isNaN(at) && !Number.isNaN(seen)
  if (!isKnown || objects === undefined || !isSpread(spreadSeconds) || !isSpread(signInSpreadSeconds)) return undefined
  return { id, at, seen, objects, spreadSeconds, signInSpreadSeconds: Math.max(spreadSeconds, signInSpreadSeconds) }
}

/** The text of the annotation. What does not fit is written as {@link everyObject}. */
export function printClassChange(change: ClassChange): string {
  const { id, at, seen, objects, spreadSeconds, signInSpreadSeconds } = change
  if (id === '' || id.length > longestId) throw new Error(`id of a change: expected 1 to ${longestId} characters`)
  for (const [name, value] of Object.entries({ spreadSeconds, signInSpreadSeconds }))
    if (!isSpread(value)) throw new Error(`${name}: found ${value}, ${atMost(classChangeLimits.spreadSeconds)}`)
  const print = (list: readonly string[]) =>
    JSON.stringify({
      id,
      at: new Date(at).toISOString(),
      seen: new Date(seen).toISOString(),
      objects: list,
      spreadSeconds,
      ...(signInSpreadSeconds > spreadSeconds ? { signInSpreadSeconds } : {}),
    })
  const text = objectsOf(objects) === undefined ? print([everyObject]) : print(objects)
  return Buffer.byteLength(text) > classChangeLimits.bytes.value ? print([everyObject]) : text
}

function jsonOf(text: string): unknown {
  return orUndefined(() =>
    parseJson('the annotation', text, { maxLength: classChangeLimits.bytes.value, maxDepth: 4, maxValues: 200 }),
  )
}

function objectsOf(value: unknown): readonly string[] | undefined {
  const list = listOf(value)
  if (list === undefined || list.length === 0 || list.length > classChangeLimits.objects.value) return undefined
  const ids = list.filter((one): one is string => typeof one === 'string' && isObjectId(one))
  if (ids.length !== list.length) return undefined
  return ids.includes(everyObject) ? [everyObject] : ids
}

/** `https://HOST/COLLECTION/NAME`, with or without a version. */
function isObjectId(text: string): boolean {
  if (text === everyObject) return true
  if (text.length > longestObjectId || !URL.canParse(text)) return false
  const { protocol, pathname, href } = new URL(text)
  const [collection = '', name = '', ...rest] = pathname.slice(1).split('/')
  return protocol === 'https:' && href === text && collections.has(collection) && name !== '' && rest.length <= 1
}

const collections: ReadonlySet<string> = new Set(['secrets', 'keys', 'certificates'])

function isSpread(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= classChangeLimits.spreadSeconds.value
}

function atMost(limit: Limit): string {
  return `expected 0 to ${withUnit(limit.value, limit.unit)}`
}
