import { errorMessage } from '#lib'
import { listOf, parseJson, recordOf, stringOf } from '#lib/formats'
import { eventsLimits } from './events-limits.ts'
import type { IgnoredReason, VaultEvent } from './vault-event.ts'

/** What a message of the queue holds. */
export interface EventMessage {
  events: readonly VaultEvent[]
  /** Of the events that lead to nothing. */
  ignored: readonly IgnoredEvent[]
}

export interface IgnoredEvent {
  why: IgnoredReason
  /** For logs. */
  found: string
}

export interface EventMessageOptions {
  /** What follows `NAME.` in the host of a vault, for events that name the vault alone. */
  vaultSuffix: string
}

/** Event types that stand for a new value, as Azure writes them. https://learn.microsoft.com/azure/event-grid/event-schema-key-vault */
const kinds = {
  'Microsoft.KeyVault.SecretNewVersionCreated': 'secret',
  'Microsoft.KeyVault.KeyNewVersionCreated': 'key',
  'Microsoft.KeyVault.CertificateNewVersionCreated': 'certificate',
  'Microsoft.KeyVault.VaultAccessPolicyChanged': 'access',
} as const satisfies Record<string, VaultEvent['kind']>

const kindByType: ReadonlyMap<string, VaultEvent['kind']> = new Map(
  Object.entries(kinds).map(([type, kind]) => [type.toLowerCase(), kind]),
)

/** For the filter of an event subscription. */
export const eventTypes: readonly string[] = Object.keys(kinds)

/**
 * The events in the text of a message: one or a list of them, in Event Grid's schema or as CloudEvents 1.0, as JSON or as
 * base64 of it. Throws nothing: any sender who may write to the queue decides what is in it.
 */
export function parseEventMessage(text: string, options: EventMessageOptions): EventMessage {
  try {
    const found = jsonOf(text)
    const list = listOf(found) ?? [found]
    const { value: most } = eventsLimits.eventsOfMessage
    if (list.length > most) throw new Error(`found a list of ${list.length} events, at most ${most} are accepted`)
    const read = list.map((one) => readEvent(one, options))
    return { events: read.filter((one) => 'id' in one), ignored: read.filter((one) => 'why' in one) }
  } catch (error) {
    return { events: [], ignored: [{ why: 'invalid', found: errorMessage(error) }] }
  }
}

/** Base64 has no brackets, and JSON of an event begins with one. */
function jsonOf(text: string): unknown {
  const { value: maxLength } = eventsLimits.messageCharacters
  if (text.length > maxLength) throw new Error(`found a text of more than ${maxLength} characters`)
  const trimmed = text.trim()
  const isPlain = trimmed.startsWith('{') || trimmed.startsWith('[')
  const json = isPlain ? trimmed : Buffer.from(trimmed, 'base64').toString('utf8')
  return parseJson('the message', json, { maxDepth: 16, maxValues: 5000 })
}

function readEvent(value: unknown, options: EventMessageOptions): VaultEvent | IgnoredEvent {
  const field = fieldsOf(value)
  const type = field('eventType', 'type').slice(0, 200)
  if (type === '') return { why: 'invalid', found: 'an event without a type' }
  const kind = kindByType.get(type.toLowerCase())
  if (kind === undefined) return { why: 'type', found: type }
  const id = field('id')
  const at = Date.parse(field('eventTime', 'time'))
  const subject = subjectOf(recordOf(value)?.data, kind, options)
  if (id === '' || id.length > longestId || Number.isNaN(at) || subject === undefined)
    return { why: 'invalid', found: `${type} without a usable id, time or object` }
  return { id, at, kind, ...subject }
}

const longestId = 256

/** Reads texts by their names, without regard to case and blanks: the published samples have a name with a blank at its end. */
function fieldsOf(value: unknown): (...names: string[]) => string {
  const texts = new Map<string, string>()
  for (const [name, member] of Object.entries(recordOf(value) ?? {}))
    texts.set(name.trim().toLowerCase(), (stringOf(member) ?? '').trim())
  return (...names) => names.map((name) => texts.get(name.toLowerCase()) ?? '').find((text) => text !== '') ?? ''
}

type Subject = Pick<VaultEvent, 'vaultHost' | 'name' | 'version'>

/** The object by its id, or by the names of vault and object. */
function subjectOf(data: unknown, kind: VaultEvent['kind'], { vaultSuffix }: EventMessageOptions): Subject | undefined {
  const field = fieldsOf(data)
  const byId = idOf(field('Id'))
  const vaultName = field('VaultName')
  const vaultHost = byId?.host ?? (vaultName === '' ? '' : `${vaultName}.${vaultSuffix}`.toLowerCase())
  if (!/^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,8}(:\d{1,5})?$/.test(vaultHost)) return undefined
  if (kind === 'access') return { vaultHost, name: '', version: '' }
  if (byId !== undefined && byId.collection !== `${kind}s`) return undefined
  const name = byId?.name ?? field('ObjectName')
  const version = byId?.version ?? field('Version')
  const isUsable = /^[a-zA-Z0-9-]{1,127}$/.test(name) && /^[a-zA-Z0-9]{0,64}$/.test(version)
  return isUsable ? { vaultHost, name, version } : undefined
}

/** `https://HOST/COLLECTION/NAME/VERSION` in parts; undefined for any other text. */
function idOf(id: string): { host: string; collection: string; name: string; version: string } | undefined {
  if (id.length > 1024 || !URL.canParse(id)) return undefined
  const { protocol, host, pathname } = new URL(id)
  const [collection = '', name = '', version = ''] = pathname.slice(1).split('/')
  return protocol === 'https:' && name !== '' ? { host, collection, name, version } : undefined
}
