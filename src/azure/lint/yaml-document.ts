import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar } from 'yaml'
import { beyondLimit } from '#lib'
import { lintLimits } from './lint-limits.ts'
import { type Place, type PlacedText, startOf, textOfScalar } from './place.ts'

/** Field names and list indexes, from the top of a document. */
export type Path = readonly (string | number)[]

type PairNode = Pair<Node, Node | null>

export interface DuplicateKey {
  key: string
  at: Place
}

/** One YAML document as the values that kubectl reads, with the place of each. */
export interface YamlDocument {
  value: unknown
  /** Place of the key or list entry at a path; of the nearest one above it where the path ends early. */
  placeOf(path: Path): Place
  /** The text at a path, with places; undefined where there is no text. */
  textAt(path: Path): PlacedText | undefined
  /** Keys that a mapping has twice, of which kubectl keeps the last. */
  duplicates: readonly DuplicateKey[]
}

/** Throws for a document that is nested too deeply, or too large once its aliases are resolved. */
export function yamlDocument(contents: Node | null, text: PlacedText): YamlDocument {
  const anchors = new Map<string, Node>()
  const duplicates: DuplicateKey[] = []
  const value = new Reader(text, anchors, duplicates).read(contents, 0)
  const find = (path: Path) => findNode(contents, path, anchors)
  return {
    value,
    placeOf: (path) => text.at(find(path).offset),
    textAt(path) {
      const { node, isComplete } = find(path)
      return isComplete && isScalar(node) ? textOfScalar(node, text) : undefined
    },
    duplicates,
  }
}

/** More of them help no reader. */
const maxDuplicates = 20

/** Makes plain values, within a budget: aliases multiply nodes. */
class Reader {
  readonly #text: PlacedText
  readonly #anchors: Map<string, Node>
  readonly #duplicates: DuplicateKey[]
  #left: number = lintLimits.nodes.value

  constructor(text: PlacedText, anchors: Map<string, Node>, duplicates: DuplicateKey[]) {
    this.#text = text
    this.#anchors = anchors
    this.#duplicates = duplicates
  }

  read(node: Node | null | undefined, depth: number): unknown {
    if (--this.#left < 0) throw new Error(beyondLimit(lintLimits.nodes, lintLimits.nodes.value + 1))
    if (depth > lintLimits.depth.value) throw new Error(beyondLimit(lintLimits.depth, depth))
    if (node === null || node === undefined) return null
    if (isAlias(node)) return this.#aliased(node.source, depth)
    const { anchor } = node as { anchor?: string }
    if (anchor !== undefined) this.#anchors.set(anchor, node)
    if (isSeq(node)) return node.items.map((item) => this.read(item as Node, depth + 1))
    if (isMap(node)) return this.#record(node.items as PairNode[], depth)
    return isScalar(node) ? scalarValue(node) : null
  }

  #aliased(name: string, depth: number): unknown {
    const target = this.#anchors.get(name)
    if (target === undefined) throw new Error(`the alias *${name} has no anchor before it`)
    return this.read(target, depth + 1)
  }

  #record(items: readonly PairNode[], depth: number): Record<string, unknown> {
    const own = new Map<string, unknown>()
    const merged = new Map<string, unknown>()
    for (const { key, value } of items) {
      const name = keyText(key)
      const inner = this.read(value, depth + 1)
      if (isMergeKey(key)) {
        for (const one of Array.isArray(inner) ? inner.toReversed() : [inner])
          for (const [field, each] of Object.entries((one ?? {}) as object)) merged.set(field, each)
      } else {
        if (own.has(name) && this.#duplicates.length < maxDuplicates)
          this.#duplicates.push({ key: name, at: this.#text.at(startOf(key)) })
        own.set(name, inner)
      }
    }
    return Object.fromEntries([...merged, ...own])
  }
}

function isMergeKey(key: Node): boolean {
  return isScalar(key) && key.type === 'PLAIN' && keyText(key) === '<<'
}

function keyText(key: Node): string {
  return isScalar(key) ? String(key.source ?? key.value ?? '') : ''
}

/** Kubernetes reads the booleans of YAML 1.1: `usePodIdentity: yes` is not a text. */
function scalarValue({ value, type }: Scalar): unknown {
  if (type !== 'PLAIN' || typeof value !== 'string') return value
  if (/^(yes|Yes|YES|on|On|ON)$/.test(value)) return true
  return /^(no|No|NO|off|Off|OFF)$/.test(value) ? false : value
}

interface FoundNode {
  node: Node | null
  /** Where the key or list entry begins. */
  offset: number
  isComplete: boolean
}

function findNode(contents: Node | null, path: Path, anchors: ReadonlyMap<string, Node>): FoundNode {
  let found: FoundNode = { node: contents, offset: startOf(contents), isComplete: true }
  for (const step of path) {
    const next = childOf(resolved(found.node, anchors), step)
    if (next === undefined) return { ...found, isComplete: false }
    found = { ...next, isComplete: true }
  }
  return { ...found, node: resolved(found.node, anchors) }
}

function resolved(node: Node | null, anchors: ReadonlyMap<string, Node>): Node | null {
  return isAlias(node) ? (anchors.get(node.source) ?? null) : node
}

function childOf(node: Node | null, step: string | number): Pick<FoundNode, 'node' | 'offset'> | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item = node.items[step] as Node | undefined
    return item === undefined ? undefined : { node: item, offset: startOf(item) }
  }
  if (!isMap(node)) return undefined
  const pair = (node.items as PairNode[]).findLast(({ key }) => keyText(key) === String(step))
  return pair === undefined ? undefined : { node: pair.value, offset: startOf(pair.key) }
}
