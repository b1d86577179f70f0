import { SecretValue } from '#lib'
import { listOf, parseJson, recordOf, stringOf, textsOf } from '#lib/formats'
import type { HttpResponse } from '#lib/http'
import { nameOfId, versionOfId } from './object-id.ts'
import type { Vault } from './vault-address.ts'
import { VaultError } from './vault-error.ts'
import type { JsonWebKeyWire, ObjectAttributes } from './wire.ts'

/** Fields of a vault's answer, each of the kind that its interface promises. All throw {@link VaultError}, without quoting it. */
export interface AnswerReader {
  /** @param words of upstream for a field that is missing or of another kind. */
  text(name: string, words: string): string
  optionalText(name: string): string | undefined
  record(name: string, words: string): AnswerReader
  list(name: string): readonly AnswerReader[]
  attributes(): ObjectAttributes
  hasRecord(name: string): boolean
  /** The members of a record that are texts; none for another kind of value. */
  texts(name: string): ReadonlyMap<string, string>
  /** Whether the field is `true`. */
  flag(name: string): boolean
}

export function readAnswer(vault: Vault, { body }: HttpResponse): AnswerReader {
  let parsed: unknown
  try {
    parsed = parseJson('the answer', body)
  } catch {
    // Reported below, as for JSON of another kind.
  }
  const fields = recordOf(parsed)
  if (fields === undefined) throw invalid(`vault "${vault.name}" (${vault.origin}) did not answer with a JSON object`)
  return reader(vault, fields)
}

function reader(vault: Vault, fields: Record<string, unknown>): AnswerReader {
  const fail = (words: string) => invalid(`${words}, in the answer of vault "${vault.name}" (${vault.origin})`)
  return {
    text(name, words) {
      const value = stringOf(fields[name])
      if (value === undefined) throw fail(words)
      return value
    },
    optionalText: (name) => stringOf(fields[name]),
    record(name, words) {
      const value = recordOf(fields[name])
      if (value === undefined) throw fail(words)
      return reader(vault, value)
    },
    list(name) {
      const items = fields[name] === undefined || fields[name] === null ? [] : listOf(fields[name])
      if (items === undefined) throw fail(`"${name}" is not a list`)
      return items.map((item) => {
        const record = recordOf(item)
        if (record === undefined) throw fail(`an entry of "${name}" is not an object`)
        return reader(vault, record)
      })
    },
    attributes: () => attributesOf(recordOf(fields.attributes) ?? {}),
    hasRecord: (name) => recordOf(fields[name]) !== undefined,
    texts: (name) => new Map(Object.entries(textsOf(fields[name]))),
    flag: (name) => fields[name] === true,
  }
}

function invalid(text: string): VaultError {
  return new VaultError('vault-answer-invalid', text)
}

function attributesOf({ enabled, created, updated, nbf, exp }: Record<string, unknown>): ObjectAttributes {
  const time = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined)
  return {
    enabled: typeof enabled === 'boolean' ? enabled : undefined,
    created: time(created),
    updated: time(updated),
    nbf: time(nbf),
    exp: time(exp),
  }
}

export interface VaultSecret {
  value: SecretValue
  version: string
  contentType: string | undefined
  /** Whether the secret backs a certificate. */
  ofCertificate: boolean
  attributes: ObjectAttributes
}

export interface VaultKey {
  jwk: JsonWebKeyWire
  version: string
  attributes: ObjectAttributes
}

export interface VaultCertificate {
  der: Uint8Array
  version: string
  attributes: ObjectAttributes
}

export interface ObjectVersionInfo {
  version: string
  enabled: boolean
  /** Seconds since the epoch; 0 for an answer without it. */
  created: number
}

/** An object as a list of the vault has it: no value, and no version. */
export interface ListedObject {
  name: string
  enabled: boolean
  /** Last change of the object, its attributes or its tags; seconds since the epoch, 0 for an answer without it. */
  updated: number
}

/** What the list of a vault has about an object, for a choice among all. */
export interface ObjectDetails {
  name: string
  tags: ReadonlyMap<string, string>
  /** Whether it belongs to a certificate, with which it comes and goes. */
  managed: boolean
  attributes: ObjectAttributes
}

export function readSecret(answer: AnswerReader): VaultSecret {
  return {
    value: SecretValue.of(answer.text('value', 'secret value is nil')),
    version: versionOfId(answer.text('id', 'secret id is nil')),
    contentType: answer.optionalText('contentType'),
    ofCertificate: (answer.optionalText('kid') ?? '') !== '',
    attributes: answer.attributes(),
  }
}

export function readKey(answer: AnswerReader): VaultKey {
  const key = answer.record('key', 'key value is nil')
  const field = (name: keyof JsonWebKeyWire) => key.optionalText(name)
  return {
    jwk: { kty: field('kty'), n: field('n'), e: field('e'), crv: field('crv'), x: field('x'), y: field('y') },
    version: versionOfId(key.text('kid', 'key id is nil')),
    attributes: answer.attributes(),
  }
}

export function readCertificate(answer: AnswerReader): VaultCertificate {
  return {
    der: Buffer.from(answer.text('cer', 'certificate value is nil'), 'base64'),
    version: versionOfId(answer.text('id', 'certificate id is nil')),
    attributes: answer.attributes(),
  }
}

/** Keys have `kid`, the others `id`. */
export function readVersion(item: AnswerReader): ObjectVersionInfo {
  const { enabled, created } = item.attributes()
  return {
    version: versionOfId(item.optionalText('kid') ?? item.optionalText('id') ?? ''),
    enabled: enabled !== false,
    created: created ?? 0,
  }
}

export function readDetails(item: AnswerReader): ObjectDetails {
  const name = nameOfId(item.optionalText('kid') ?? item.optionalText('id') ?? '')
  return { name, tags: item.texts('tags'), managed: item.flag('managed'), attributes: item.attributes() }
}

export function readListed(item: AnswerReader): ListedObject {
  const { enabled, updated } = item.attributes()
  const name = nameOfId(item.optionalText('kid') ?? item.optionalText('id') ?? '')
  return { name, enabled: enabled !== false, updated: updated ?? 0 }
}
