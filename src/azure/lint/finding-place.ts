import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type Scalar } from 'yaml'
import { classLimits, type Finding } from '#azure/class'
import { type Place, type PlacedText, startOf, textOfScalar } from './place.ts'
import type { Manifest } from './read-manifests.ts'
import type { Path } from './yaml-document.ts'

type Parameters = ReadonlyMap<string, string>

/** A parameter that is a YAML list: its text and its entries, as the provider counts them. */
export interface PlacedList {
  text: PlacedText
  entries: readonly Node[]
}

/** The texts of one class, each parsed at most once. */
export interface ClassTexts {
  manifest: Manifest
  parameters: Parameters
  listOf(parameter: string): PlacedList | undefined
}

export function classTexts(manifest: Manifest, parameters: Parameters): ClassTexts {
  const lists = new Map<string, PlacedList | undefined>()
  const read = (parameter: string): PlacedList | undefined => {
    const text = manifest.textAt(['spec', 'parameters', parameter])
    return text === undefined ? undefined : { text, entries: entriesOf(text) }
  }
  return {
    manifest,
    parameters,
    listOf(parameter) {
      if (!lists.has(parameter)) lists.set(parameter, read(parameter))
      return lists.get(parameter)
    },
  }
}

/** Where a field of an entry of `objects` is. */
export function objectPlace(texts: ClassTexts, index: number, steps: Path): Place {
  return fieldOfEntry(texts, `objects[${index}]`, steps)
}

/** Where a field of an entry of a list is. @param path of the entry, such as `templates[2]` */
export function fieldOfEntry(texts: ClassTexts, path: string, steps: Path): Place {
  const [, parameter = '', index = '0'] = /^(\w+)(?:\[(\d+)\])?/.exec(path) ?? []
  const list = texts.listOf(parameter)
  const entry = list?.entries[Number(index)]
  if (list === undefined || entry === undefined) return texts.manifest.placeOf(['spec', 'parameters', parameter])
  return fieldPlace(entry, list.text, steps)
}

/**
 * Where in the file a finding about a class is. Those about `objects` are inside that text, which is YAML of its own, with
 * one more YAML text per entry.
 */
export function findingPlace({ path, message }: Finding, texts: ClassTexts): Place {
  const { manifest, parameters } = texts
  const below = /^spec\.parameters(?:\.|$)/.test(path) ? path.slice('spec.parameters.'.length) : undefined
  if (below === undefined) return manifest.placeOf(stepsOf(path))
  const text = `${below} ${message}`
  return (
    yamlErrorPlace(message, texts) ??
    entryPlace(text, texts) ??
    collisionPlace(message, texts) ??
    manifest.placeOf(['spec', 'parameters', parameterIn(below, message, parameters) ?? ''])
  )
}

/** `spec.secretObjects[0].data[1].key` as steps. */
function stepsOf(path: string): Path {
  return [...path.matchAll(/[^.[\]]+/g)].map(([step]) => (/^\d+$/.test(step) ? Number(step) : step))
}

/** The parameter that a finding is about: the longest of the class's that it names. */
function parameterIn(below: string, message: string, parameters: Parameters): string | undefined {
  if (parameters.has(below)) return below
  const [found] = [...parameters.keys()]
    .filter((name) => mentions(message, name))
    .toSorted((a, b) => b.length - a.length)
  return found ?? (/^\w+/.exec(below)?.[0] || undefined)
}

/** Whether the text has the name as a word of its own. */
function mentions(text: string, name: string): boolean {
  if (name === '') return false
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const around = `${text[at - 1] ?? ' '}${text[at + name.length] ?? ' '}`
    if (!/[\w-]/.test(around)) return true
  }
  return false
}

/** `… objects, error: yaml: line 4: …` and `… keyVaultObjects at index 2, error: yaml: line 1: …` */
function yamlErrorPlace(message: string, texts: ClassTexts): Place | undefined {
  const [, , index, line] =
    /^(failed to yaml unmarshal objects|unmarshal failed for keyVaultObjects at index (\d+)), error: yaml: (?:line (\d+))?/.exec(
      message,
    ) ?? []
  if (line === undefined && index === undefined) return undefined
  const list = texts.listOf('objects')
  if (list === undefined) return undefined
  const { text } = list
  if (index === undefined) return lineOf(text, Number(line))
  const entry = list.entries[Number(index)]
  if (entry === undefined) return undefined
  if (line === undefined || !isScalar(entry)) return text.at(startOf(entry))
  return lineOf(textOfScalar(entry as Scalar, text), Number(line))
}

function lineOf(text: PlacedText, line: number): Place {
  const offset = lineStart(text.text, line)
  const indent = /^ */.exec(text.text.slice(offset, offset + 200))?.[0].length ?? 0
  return text.at(offset + indent)
}

/** Where a line of the text begins; its last one for lines after it, where errors at the end of a text are reported. */
function lineStart(text: string, line: number): number {
  let offset = 0
  for (let left = line; left > 1; left--) {
    const next = text.indexOf('\n', offset)
    if (next < 0 || next + 1 >= text.length) break
    offset = next + 1
  }
  return offset
}

/** `objects[2].objectType`, or an entry of another parameter that is a list. */
function entryPlace(text: string, texts: ClassTexts): Place | undefined {
  for (const parameter of texts.parameters.keys()) {
    const at = text.indexOf(`${parameter}[`)
    const [, index, rest = ''] =
      at < 0 ? [] : (/^\[(\d+)\]((?:\.\w+|\[\d+\])*)/.exec(text.slice(at + parameter.length)) ?? [])
    if (index === undefined) continue
    const list = texts.listOf(parameter)
    const entry = list?.entries[Number(index)]
    if (list === undefined || entry === undefined) continue
    // An error inside a template has its place in that text.
    const [, line, column] = /\bline (\d+), column (\d+): /.exec(text) ?? []
    const inside = line === undefined ? undefined : { line: Number(line), column: Number(column) }
    return fieldPlace(entry, list.text, stepsOf(rest), inside)
  }
  return undefined
}

/** @param inside a place in the text that the field holds */
function fieldPlace(entry: Node, whole: PlacedText, steps: Path, inside?: Place): Place {
  if (!isScalar(entry)) return nodePlace(entry, whole, steps, inside)
  const inner = textOfScalar(entry as Scalar, whole)
  const contents = parsed(inner.text)
  return contents === null ? whole.at(startOf(entry)) : nodePlace(contents, inner, steps, inside)
}

function nodePlace(top: Node, text: PlacedText, steps: Path, inside?: Place): Place {
  let node: Node | null = top
  let offset = startOf(top)
  for (const step of steps) {
    if (isSeq(node)) node = (node.items[Number(step)] as Node | undefined) ?? null
    else if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.source ?? key.value) === String(step))
      if (pair === undefined) break
      offset = startOf(pair.key)
      node = pair.value as Node | null
      continue
    } else break
    if (node === null) break
    offset = startOf(node)
  }
  if (inside === undefined || !isScalar(node)) return text.at(offset)
  const content = textOfScalar(node as Scalar, text)
  return content.at(lineStart(content.text, inside.line) + inside.column - 1)
}

/** Of two entries with one file, the second. */
function collisionPlace(message: string, texts: ClassTexts): Place | undefined {
  const [, file] = /(?:written to the same file|the folder of) "([^"]+)"/.exec(message) ?? []
  const list = file === undefined ? undefined : texts.listOf('objects')
  const entry = list?.entries.findLast((one) => {
    const fields = isScalar(one) ? parsed(String(one.value)) : one
    const read = (name: string) => (isMap(fields) ? String(fields.get(name) ?? '') : '')
    return (read('objectAlias') || read('objectName')) === file
  })
  return list === undefined || entry === undefined ? undefined : fieldPlace(entry, list.text, ['objectAlias'])
}

/** The entries of a list, or of a list under `array`, as the provider counts them: a dangling `-` does not count. */
function entriesOf({ text }: PlacedText): Node[] {
  if (text.length > classLimits.bytes.value) return []
  const top = parsed(text)
  const list = isMap(top) ? top.items.find(({ key }) => isScalar(key) && key.value === 'array')?.value : top
  return isSeq(list) ? ((list.items as (Node | null)[]).filter((one) => one !== null && !isNull(one)) as Node[]) : []
}

function isNull(node: Node): boolean {
  return isScalar(node) && node.type === 'PLAIN' && /^(~|null|Null|NULL|)$/.test(String(node.source ?? ''))
}

function parsed(text: string): Node | null {
  const options = {
    schema: 'failsafe',
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: new LineCounter(),
  } as const
  try {
    return parseDocument(text, options).contents
  } catch {
    return null
  }
}
