import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
} from 'yaml'
import { beyondLimit, errorMessage } from '#lib'
import { classLimits } from './class-limits.ts'
import { indentationHint } from './indentation-hint.ts'

/** A scalar keeps its source text: `0755`, `1e5` and a version of digits must arrive as written. */
export type RawValue =
  | { kind: 'scalar'; text: string; quoted: boolean }
  | { kind: 'list'; items: readonly RawValue[] }
  | { kind: 'map'; entries: ReadonlyMap<string, RawValue> }

export type ParsedYaml = { value: RawValue } | { error: string }

/** What may still be made of one class's YAML: aliases multiply values, so the text's length does not bound them. */
export interface YamlBudget {
  /** Lexical tokens. */
  tokens: number
  nodes: number
}

export function yamlBudget(): YamlBudget {
  return { tokens: classLimits.yamlTokens.value, nodes: classLimits.yamlNodes.value }
}

/** Reads the first document of a YAML text. Takes time in proportion to the text and the budget; never throws. */
export function parseYaml(text: string, budget: YamlBudget): ParsedYaml {
  if (hasForbiddenCharacter(text)) return { error: 'control characters are not allowed' }
  const lines = new LineCounter()
  try {
    spendTokens(text, budget)
    const document = readDocument(text, lines)
    // Only the first document counts, as upstream.
    const error = document.errors.find(({ code }) => code !== 'MULTIPLE_DOCS')
    if (error !== undefined) {
      if (/^Maximum call stack/.test(error.message)) throw excessive()
      const { line } = lines.linePos(error.pos[0])
      const hint = indentationHint(text, line, error)
      return { error: `line ${line}: ${hint === undefined ? error.message : `wrong indentation: ${hint}`}` }
    }
    const reading = { lines, budget, anchors: new Map<string, Node>() }
    return { value: toRaw(document.contents, reading, 0) }
  } catch (error) {
    // A text of opening brackets overflows the parser's stack.
    return { error: error instanceof RangeError ? excessive().message : errorMessage(error) }
  }
}

/** The parser takes microseconds for each token, and reports an error for each that is wrong: too many are not parsed at all. */
function spendTokens(text: string, budget: YamlBudget): void {
  for (const _ of new Lexer().lex(text)) if (--budget.tokens < 0) throw new Error(tooManyTokens)
}

const tooManyTokens = beyondLimit(classLimits.yamlTokens, classLimits.yamlTokens.value + 1)

function readDocument(text: string, lineCounter: LineCounter): Document.Parsed {
  return parseDocument(text, {
    schema: 'failsafe',
    merge: true,
    lineCounter,
    prettyErrors: false,
    strict: true,
    // The library compares each key with all others; toRaw finds doubles by a map.
    uniqueKeys: false,
  })
}

/** Null in YAML's core schema; a quoted or block text never is. */
export function isNull(value: RawValue): boolean {
  return value.kind === 'scalar' && !value.quoted && /^(~|null|Null|NULL|)$/.test(value.text)
}

interface Reading {
  lines: LineCounter
  budget: YamlBudget
  /** Anchored nodes seen so far: an alias means the last one before it. */
  anchors: Map<string, Node>
}

function toRaw(node: ParsedNode | Node | null, reading: Reading, depth: number): RawValue {
  if (depth > classLimits.yamlDepth.value || --reading.budget.nodes < 0) throw excessive()
  if (node === null) return { kind: 'scalar', text: '', quoted: false }
  if (isAlias(node)) {
    const target = reading.anchors.get(node.source)
    if (target === undefined) throw new Error(`unknown anchor '${node.source}' referenced`)
    return toRaw(target, reading, depth + 1)
  }
  const { anchor } = node as { anchor?: string }
  if (anchor !== undefined) reading.anchors.set(anchor, node)
  if (isScalar(node)) return scalar(node)
  if (isSeq(node)) return { kind: 'list', items: node.items.map((item) => toRaw(item as Node, reading, depth + 1)) }
  if (isMap(node)) return mapping(node.items as readonly MapItem[], reading, depth)
  throw new Error('a value of an unknown kind')
}

interface MapItem {
  key: Node
  value: Node | null
}

function mapping(items: readonly MapItem[], reading: Reading, depth: number): RawValue {
  const own = new Map<string, RawValue>()
  const merged = new Map<string, RawValue>()
  for (const { key, value } of items) {
    const name = toRaw(key, reading, depth + 1)
    if (name.kind !== 'scalar') throw new Error('a mapping key is not a plain word')
    const inner = toRaw(value, reading, depth + 1)
    if (name.text === '<<' && !name.quoted) mergeInto(merged, inner, reading.budget)
    else if (own.has(name.text)) throw new Error(`${place(key, reading)}mapping key "${name.text}" already defined`)
    else own.set(name.text, inner)
  }
  return { kind: 'map', entries: new Map([...merged, ...own]) }
}

function place(node: Node, { lines }: Reading): string {
  return node.range === undefined || node.range === null ? '' : `line ${lines.linePos(node.range[0]).line}: `
}

/** https://yaml.org/type/merge.html */
function mergeInto(target: Map<string, RawValue>, value: RawValue, budget: YamlBudget): void {
  const sources = value.kind === 'list' ? value.items : [value]
  for (const source of sources) {
    if (source.kind !== 'map') throw new Error('map merge requires map or sequence of maps as the value')
    budget.nodes -= source.entries.size
    if (budget.nodes < 0) throw excessive()
    for (const [key, inner] of source.entries) if (!target.has(key)) target.set(key, inner)
  }
}

function excessive(): Error {
  return new Error('document contains excessive aliasing or nesting')
}

function scalar(node: { value: unknown; source?: string; type?: string; tag?: string }): RawValue {
  const text = typeof node.value === 'string' ? node.value : (node.source ?? '')
  if (node.tag === 'tag:yaml.org,2002:binary') {
    return { kind: 'scalar', text: Buffer.from(text, 'base64').toString('utf8'), quoted: true }
  }
  return { kind: 'scalar', text, quoted: node.type !== 'PLAIN' }
}

/** YAML allows tab, line ends and what is printable. */
function hasForbiddenCharacter(text: string): boolean {
  return /[^\t\n\r\x20-\x7e\x85\u{a0}-\u{fffc}\u{fffe}-\u{10ffff}]/u.test(text)
}
