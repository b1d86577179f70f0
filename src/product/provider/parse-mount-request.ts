import type { MountRequest } from '#kubernetes/provider-protocol'
import { SecretValue } from '#lib'
import { parseJson } from '#lib/formats'
import { MountError } from './mount-error.ts'

/** The three JSON texts of a request, decoded. */
export interface DecodedRequest {
  attributes: ReadonlyMap<string, string>
  /** Undefined when the volume has no `nodePublishSecretRef`. */
  secrets: ReadonlyMap<string, SecretValue> | undefined
  /** Mode of files that name none. */
  permission: number
}

/** Throws {@link MountError} in the words of upstream, without quoting anything. */
export function decodeMountRequest({ attributes, secrets, permission }: MountRequest): DecodedRequest {
  return {
    attributes: new Map(decodeStrings('attributes', attributes) ?? []),
    secrets: wrapSecrets(decodeStrings('secrets', secrets)),
    permission: decodePermission(permission),
  }
}

function decodeStrings(what: 'attributes' | 'secrets', text: string): [string, string][] | undefined {
  const fail = (found: string) =>
    new MountError(
      'request-invalid',
      `failed to unmarshal ${what}, error: found ${found}, expected a JSON object of strings`,
    )
  if (text.trim() === '') throw fail('nothing')
  let parsed: unknown
  try {
    parsed = parseJson(what, text)
  } catch {
    throw fail('text that is not JSON')
  }
  if (parsed === null) return undefined
  if (typeof parsed !== 'object' || Array.isArray(parsed)) throw fail('another kind of JSON value')
  return Object.entries(parsed).map(([key, value]: [string, unknown]) => {
    // Go decodes null into the empty string.
    if (value === null) return [key, '']
    if (typeof value !== 'string') throw fail(`a value of type ${typeof value} under "${key}"`)
    return [key, value]
  })
}

function wrapSecrets(entries: [string, string][] | undefined): ReadonlyMap<string, SecretValue> | undefined {
  return entries === undefined ? undefined : new Map(entries.map(([key, value]) => [key, SecretValue.of(value)]))
}

function decodePermission(text: string): number {
  const trimmed = text.trim()
  if (trimmed === 'null') return 0
  const value = /^\d+$/.test(trimmed) ? Number(trimmed) : Number.NaN
  if (value <= 0xffff_ffff) return value
  const found = trimmed === '' ? 'nothing' : `"${trimmed.slice(0, 40)}"`
  const expected = 'a decimal JSON number such as 420 (0644)'
  throw new MountError(
    'request-invalid',
    `failed to unmarshal file permission, error: found ${found}, expected ${expected}`,
  )
}
