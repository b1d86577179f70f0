import { beyondLimit, type Problems } from '#lib'
import { classLimits } from './class-limits.ts'
import { isNull, parseYaml, type RawValue, type YamlBudget, yamlBudget } from './parse-yaml.ts'

/** The fields of one entry of `objects`, as written. */
export interface RawObject {
  /** `objects[2]` */
  path: string
  fields: ReadonlyMap<string, RawValue>
}

/**
 * Reads `objects`: a YAML mapping whose `array` holds YAML texts (`- |`), which is upstream's form. Beyond it, entries may be
 * plain mappings, and the list needs no `array` around it.
 */
export function parseEntries(text: string, problems: Problems): readonly RawObject[] {
  if (text.length > classLimits.bytes.value) {
    problems.add('objects', beyondLimit(classLimits.bytes, text.length))
    return []
  }
  const budget = yamlBudget()
  const outer = parseYaml(text, budget)
  if ('error' in outer) {
    problems.add('', `failed to yaml unmarshal objects, error: yaml: ${outer.error}`)
    return []
  }
  // A dangling `-` is not an entry; the ones behind it move up, as upstream.
  const entries = findList(outer.value, problems).filter((entry) => !isNull(entry))
  if (entries.length > classLimits.objects.value) {
    problems.add('objects', beyondLimit(classLimits.objects, entries.length))
    return []
  }
  return entries.flatMap((entry, index) => {
    const fields = parseEntry(entry, { index, budget, problems })
    return fields === undefined ? [] : [{ path: `objects[${index}]`, fields }]
  })
}

function findList(value: RawValue, problems: Problems): readonly RawValue[] {
  if (isNull(value)) return []
  if (value.kind === 'list') return value.items
  if (value.kind === 'map') {
    const array = value.entries.get('array')
    if (array === undefined || isNull(array)) return []
    if (array.kind === 'list') return array.items
  }
  const tag = value.kind === 'scalar' ? '!!str' : '!!map'
  const expected = 'expected "array:" with one "- |" block per object'
  problems.add(
    '',
    `failed to yaml unmarshal objects, error: yaml: unmarshal errors: cannot unmarshal ${tag} into types.StringArray (${expected})`,
  )
  return []
}

function parseEntry(
  entry: RawValue,
  { index, budget, problems }: { index: number; budget: YamlBudget; problems: Problems },
): ReadonlyMap<string, RawValue> | undefined {
  const fail = (reason: string) => {
    problems.add('', `unmarshal failed for keyVaultObjects at index ${index}, error: yaml: ${reason}`)
    return undefined
  }
  if (entry.kind === 'map') return entry.entries
  if (entry.kind === 'list') return fail('unmarshal errors: cannot unmarshal !!seq into types.KeyVaultObject')
  if (entry.text.trim() === '') return new Map()
  const inner = parseYaml(entry.text, budget)
  if ('error' in inner) return fail(inner.error)
  if (inner.value.kind === 'map') return inner.value.entries
  if (isNull(inner.value)) return new Map()
  const tag = inner.value.kind === 'list' ? '!!seq' : '!!str'
  return fail(
    `unmarshal errors: cannot unmarshal ${tag} into types.KeyVaultObject (expected fields such as "objectName: NAME", one per line)`,
  )
}
