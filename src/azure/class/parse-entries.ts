import { beyondLimit, nearestName, type Problems } from '#lib'
import { classLimits } from './class-limits.ts'
import { type ObjectFieldName, objectFieldNames } from './object-fields.ts'
import { isNull, parseYaml, type RawValue, type YamlBudget, yamlBudget } from './parse-yaml.ts'

/** The fields of one entry of `objects` or `templates`, as written. */
export interface RawObject {
  /** `objects[2]`, `templates[0]` */
  path: string
  fields: ReadonlyMap<string, RawValue>
}

/**
 * Reads `objects`: a YAML mapping whose `array` holds YAML texts (`- |`), which is upstream's form. Beyond it, entries may be
 * plain mappings, and the list needs no `array` around it.
 */
export function parseEntries(
  text: string,
  problems: Problems,
  list: 'objects' | 'templates' = 'objects',
): readonly RawObject[] {
  if (text.length > classLimits.bytes.value) {
    problems.add(list, beyondLimit(classLimits.bytes, text.length))
    return []
  }
  const budget = yamlBudget()
  const outer = parseYaml(text, budget)
  if ('error' in outer) {
    problems.add('', `failed to yaml unmarshal ${list}, error: yaml: ${outer.error}`)
    return []
  }
  // A dangling `-` is not an entry; the ones behind it move up, as upstream.
  const entries = findList(outer.value, problems, list).filter((entry) => !isNull(entry))
  const limit = classLimits[list]
  if (entries.length > limit.value) {
    problems.add(list, beyondLimit(limit, entries.length))
    return []
  }
  return entries.flatMap((entry, index) => {
    const fields = parseEntry(entry, { index, budget, problems, list })
    return fields === undefined ? [] : [{ path: `${list}[${index}]`, fields }]
  })
}

function findList(value: RawValue, problems: Problems, list: 'objects' | 'templates'): readonly RawValue[] {
  if (isNull(value)) return []
  if (value.kind === 'list') return value.items
  const fail = (found: string) => {
    const expected =
      list === 'objects' ? 'expected "array:" with one "- |" block per object' : 'expected a list: "- fileName: …"'
    problems.add('', `failed to yaml unmarshal ${list}, error: yaml: found ${found}, ${expected}`)
    return []
  }
  if (value.kind === 'scalar') return fail(`the text ${quoted(value.text)}`)
  const array = value.entries.get('array')
  if (array === undefined || isNull(array)) {
    // Other fields have no effect, as upstream; without an object no pod can mount the class, so this one is the cause.
    const meant = [...value.entries.keys()].find((key) => objectFieldNames.includes(key as ObjectFieldName))
    if (meant !== undefined) return fail(`${meant} without a list around it`)
    const near = nearestName(
      'array',
      [...value.entries.keys()].filter((key) => key !== 'array'),
    )
    return near === undefined ? [] : fail(`the field "${near}"`)
  }
  return array.kind === 'list' ? array.items : fail(`${kindOf(array)} under "array:"`)
}

function kindOf(value: RawValue): string {
  return value.kind === 'scalar' ? `the text ${quoted(value.text)}` : `a ${value.kind === 'list' ? 'list' : 'mapping'}`
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

function parseEntry(
  entry: RawValue,
  {
    index,
    budget,
    problems,
    list,
  }: { index: number; budget: YamlBudget; problems: Problems; list: 'objects' | 'templates' },
): ReadonlyMap<string, RawValue> | undefined {
  const fail = (reason: string) => {
    const what = list === 'objects' ? 'keyVaultObjects' : list
    problems.add('', `unmarshal failed for ${what} at index ${index}, error: yaml: ${reason}`)
    return undefined
  }
  if (entry.kind === 'map') return entry.entries
  const example = list === 'objects' ? 'objectName' : 'fileName'
  const wrong = (value: RawValue) =>
    fail(`found ${kindOf(value)}, expected fields such as "${example}: NAME", one per line`)
  if (entry.kind === 'list') return wrong(entry)
  if (entry.text.trim() === '') return new Map()
  const inner = parseYaml(entry.text, budget)
  if ('error' in inner) return fail(inner.error)
  if (inner.value.kind === 'map') return inner.value.entries
  if (isNull(inner.value)) return new Map()
  return wrong(inner.value)
}
