import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
} from 'yaml'
import { errorMessage, type Problem } from '#lib'

/** The fields of one entry of `objects`, as written. */
export interface RawObject {
  /** `objects[2]` */
  path: string
  fields: ReadonlyMap<string, RawValue>
}

/** A scalar keeps its source text: `0755`, `1e5` and a version of digits must arrive as written. */
export type RawValue =
  | { kind: 'scalar'; text: string; quoted: boolean }
  | { kind: 'list'; items: readonly RawValue[] }
  | { kind: 'map'; entries: ReadonlyMap<string, RawValue> }

export type ParseObjects = (text: string, problems: Problem[]) => readonly RawObject[]

/** Texts remembered, and the longest of them. */
const memory = { texts: 200, length: 64 * 1024 }

/**
 * `parseObjects` that remembers the texts it saw last: a node has few classes and mounts each of them again for every pod
 * and every rotation, and reading YAML is most of the CPU of a mount whose objects are shared.
 */
export function createObjectsParser(): ParseObjects {
  const seen = new Map<string, { objects: readonly RawObject[]; problems: readonly Problem[] }>()
  return (text, problems) => {
    const known = seen.get(text) ?? parseAnew(text)
    seen.delete(text)
    if (text.length <= memory.length) seen.set(text, known)
    for (const oldest of seen.keys()) {
      if (seen.size <= memory.texts) break
      seen.delete(oldest)
    }
    problems.push(...known.problems)
    return known.objects
  }
}

function parseAnew(text: string): { objects: readonly RawObject[]; problems: readonly Problem[] } {
  const problems: Problem[] = []
  return { objects: parseObjects(text, problems), problems }
}

/**
 * Reads `objects`: a YAML mapping whose `array` holds YAML texts (`- |`), the form of the field. Beyond it, entries may be
 * plain mappings, and the list may stand alone without `array`. Throws nothing: what is wrong goes to `problems`.
 */
export function parseObjects(text: string, problems: Problem[]): readonly RawObject[] {
  const outer = parseYaml(text)
  if ('error' in outer) {
    problems.push({ path: '', message: `failed to yaml unmarshal objects, error: yaml: ${outer.error}` })
    return []
  }
  const list = findList(outer, problems)
  // A dangling `-` is no entry; the ones behind it move up, as in the field.
  const entries = list.filter((entry) => !isNull(entry))
  return entries.flatMap((entry, index) => {
    const object = parseEntry(entry, index, problems)
    return object === undefined ? [] : [object]
  })
}

type Parsed = { value: RawValue } | { error: string }

function findList(outer: { value: RawValue }, problems: Problem[]): readonly RawValue[] {
  const { value } = outer
  if (isNull(value)) return []
  if (value.kind === 'list') return value.items
  if (value.kind === 'map') {
    const array = value.entries.get('array')
    if (array === undefined || isNull(array)) return []
    if (array.kind === 'list') return array.items
  }
  const tag = value.kind === 'scalar' ? '!!str' : '!!map'
  const expected = 'expected "array:" with one "- |" block per object'
  problems.push({
    path: '',
    message: `failed to yaml unmarshal objects, error: yaml: unmarshal errors: cannot unmarshal ${tag} into types.StringArray (${expected})`,
  })
  return []
}

function parseEntry(entry: RawValue, index: number, problems: Problem[]): RawObject | undefined {
  const path = `objects[${index}]`
  const fail = (reason: string) => {
    problems.push({
      path: '',
      message: `unmarshal failed for keyVaultObjects at index ${index}, error: yaml: ${reason}`,
    })
    return undefined
  }
  if (entry.kind === 'map') return { path, fields: entry.entries }
  if (entry.kind === 'list') return fail('unmarshal errors: cannot unmarshal !!seq into types.KeyVaultObject')
  if (entry.text.trim() === '') return { path, fields: new Map() }
  const inner = parseYaml(entry.text)
  if ('error' in inner) return fail(inner.error)
  if (inner.value.kind === 'map') return { path, fields: inner.value.entries }
  if (isNull(inner.value)) return { path, fields: new Map() }
  const tag = inner.value.kind === 'list' ? '!!seq' : '!!str'
  return fail(
    `unmarshal errors: cannot unmarshal ${tag} into types.KeyVaultObject (expected fields such as "objectName: NAME", one per line)`,
  )
}

/** Null in YAML's core schema; a quoted or block text never is. */
export function isNull(value: RawValue): boolean {
  return value.kind === 'scalar' && !value.quoted && /^(~|null|Null|NULL|)$/.test(value.text)
}

function parseYaml(text: string): Parsed {
  const forbidden = controlCharacter(text)
  if (forbidden !== undefined) return { error: 'control characters are not allowed' }
  const lineCounter = new LineCounter()
  const document = parseDocument(text, {
    schema: 'failsafe',
    merge: true,
    lineCounter,
    prettyErrors: false,
    strict: true,
  })
  // Only the first document counts, as in the field.
  const error = document.errors.find(({ code }) => code !== 'MULTIPLE_DOCS')
  if (error !== undefined) {
    const { line } = lineCounter.linePos(error.pos[0])
    return { error: `line ${line}: ${error.code === 'DUPLICATE_KEY' ? duplicateKey(text, error.pos) : error.message}` }
  }
  try {
    return { value: toRaw(document.contents, { document, left: { ...limits } }, 0) }
  } catch (thrown) {
    return { error: errorMessage(thrown) }
  }
}

function duplicateKey(text: string, [from]: readonly [number, number]): string {
  return `mapping key "${/^[^:\r\n]*/.exec(text.slice(from))?.[0].trim() ?? ''}" already defined`
}

/** Enough for every class; stops aliases that contain themselves (depth) or multiply (values). */
const limits = { depth: 16, values: 20_000, aliases: 500 }

interface Reading {
  document: Document.Parsed
  /** What may still be made of the document. */
  left: { values: number; aliases: number }
}

function toRaw(node: ParsedNode | Node | null, reading: Reading, depth: number): RawValue {
  if (depth > limits.depth || --reading.left.values < 0) throw excessive()
  if (node === null) return { kind: 'scalar', text: '', quoted: false }
  if (isAlias(node)) {
    if (--reading.left.aliases < 0) throw excessive()
    const target = node.resolve(reading.document)
    if (target === undefined) throw new Error(`unknown anchor '${node.source}' referenced`)
    return toRaw(target, reading, depth + 1)
  }
  if (isScalar(node)) return scalar(node)
  if (isSeq(node)) return { kind: 'list', items: node.items.map((item) => toRaw(item as Node, reading, depth + 1)) }
  if (isMap(node)) {
    const own = new Map<string, RawValue>()
    const merged = new Map<string, RawValue>()
    for (const { key, value } of node.items) {
      const name = toRaw(key as Node, reading, depth + 1)
      if (name.kind !== 'scalar') throw new Error('a mapping key is not a plain word')
      const inner = toRaw(value as Node | null, reading, depth + 1)
      if (name.text === '<<' && !name.quoted) mergeInto(merged, inner)
      else own.set(name.text, inner)
    }
    return { kind: 'map', entries: new Map([...merged, ...own]) }
  }
  throw new Error('a value of an unknown kind')
}

function excessive(): Error {
  return new Error('document contains excessive aliasing or nesting')
}

/** https://yaml.org/type/merge.html */
function mergeInto(target: Map<string, RawValue>, value: RawValue): void {
  const sources = value.kind === 'list' ? value.items : [value]
  for (const source of sources) {
    if (source.kind !== 'map') throw new Error('map merge requires map or sequence of maps as the value')
    for (const [key, inner] of source.entries) if (!target.has(key)) target.set(key, inner)
  }
}

function scalar(node: { value: unknown; source?: string; type?: string; tag?: string }): RawValue {
  const text = typeof node.value === 'string' ? node.value : (node.source ?? '')
  if (node.tag === 'tag:yaml.org,2002:binary') {
    return { kind: 'scalar', text: Buffer.from(text, 'base64').toString('utf8'), quoted: true }
  }
  return { kind: 'scalar', text, quoted: node.type !== 'PLAIN' }
}

function controlCharacter(text: string): string | undefined {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0
    const allowed =
      code === 0x09 ||
      code === 0x0a ||
      code === 0x0d ||
      code === 0x85 ||
      (code >= 0x20 && code !== 0x7f && (code < 0x80 || code > 0x9f))
    if (!allowed || code === 0xfffd) return character
  }
  return undefined
}
