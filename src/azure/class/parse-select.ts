import { beyondLimit, nearestName, type Problems } from '#lib'
import { classLimits } from './class-limits.ts'
import { type ObjectFieldName, objectFieldNames, selectFieldNames } from './object-fields.ts'
import type { SelectSpec } from './object-spec.ts'
import type { RawObject } from './parse-entries.ts'
import {
  misspelt,
  parseEncoding,
  parseExtracts,
  parseFormat,
  parseMode,
  parseOnly,
  parseOptional,
  parseType,
  type Report,
  reporter,
  scalarText,
  withRightNames,
} from './parse-object.ts'
import { isNull, type RawValue } from './parse-yaml.ts'
import { fileNameFault } from './select-file-name.ts'
import { compileNamePattern } from './select-pattern.ts'

/** Entries of `objects` with `select`; everything wrong goes to `problems`, and an entry with a problem is left out. */
export function parseSelects(entries: readonly RawObject[], problems: Problems): readonly SelectSpec[] {
  const { selects } = classLimits
  if (entries.length > selects.value) {
    problems.add('objects', beyondLimit(selects, entries.length))
    return []
  }
  const found = entries.flatMap((entry) => parseSelect(entry, problems) ?? [])
  const first = new Map<string, string>()
  for (const { setName, path } of found) {
    const other = first.get(setName)
    if (setName !== '' && other !== undefined)
      problems.add(`${path}.select.name`, `"${setName}" is the name of ${other} already`)
    first.set(setName, path)
  }
  return found
}

function parseSelect({ path, fields: given }: RawObject, problems: Problems): SelectSpec | undefined {
  const before = problems.count
  if (given.size > classLimits.fields.value) {
    problems.add(path, beyondLimit(classLimits.fields, given.size))
    return undefined
  }
  const fields = withRightNames(given)
  const report = reporter(path, 'select', problems)
  const text = (name: ObjectFieldName) => scalarText(path, name, fields.get(name), problems)
  checkFieldNames(given, report)
  const select = selectOf(path, fields.get('select'), problems)
  if (select === undefined) return undefined
  const { type, ...which } = parseWhich(path, select, problems)
  const fileName = text('fileName') || '{name}'
  const fault = fileNameFault(fileName)
  if (fault !== undefined) report('fileName', fault)
  const extracts = parseExtracts(path, fields.get('jsonPath'), { alias: 'object', name: 'object', problems })
  const isList = fields.get('jsonPath')?.kind === 'list'
  if (extracts.length > 0 && type !== undefined && type !== 'secret')
    report('jsonPath', 'jsonPath only supported for objectType: secret')
  const common = {
    format: parseFormat(text('objectFormat'), type, report),
    encoding: parseEncoding(text('objectEncoding'), type, report),
    mode: parseMode(text('filePermission'), report),
    vaultName: text('vault') || undefined,
    optional: parseOptional(text('optional'), report),
    onlyTemplates: parseOnly(text('only'), report),
    limit: parseLimit(text('limit'), report),
  }
  if (type === undefined || problems.count > before) return undefined
  return {
    path,
    type,
    ...which,
    ...common,
    fileName,
    stripPrefix: text('stripPrefix'),
    extracts: isList ? extracts : extracts.map((extract) => ({ ...extract, fileName: '' })),
  }
}

/** Fields of an entry that names one object. */
const singleFields: readonly string[] = [
  'objectName',
  'objectType',
  'objectAlias',
  'objectVersion',
  'objectVersionHistory',
] satisfies ObjectFieldName[]

const instead: Readonly<Record<string, string>> = {
  objectType: 'select has a type of its own: select.type',
  objectAlias: 'fileName gives the paths of the files',
}

function checkFieldNames(given: RawObject['fields'], report: Report): void {
  for (const key of given.keys()) {
    const near = misspelt(key, objectFieldNames)
    if (near !== undefined) report(key, `unknown field "${key}"`, `did you mean ${near}?`)
    if (singleFields.includes(key))
      report(key, `${key} cannot be set with select`, instead[key] ?? 'it belongs to an entry for one object')
  }
}

function selectOf(
  path: string,
  value: RawValue | undefined,
  problems: Problems,
): ReadonlyMap<string, RawValue> | undefined {
  if (value?.kind === 'map') return value.entries
  const found = value === undefined || isNull(value) ? 'nothing' : value.kind === 'list' ? 'a list' : 'a text'
  problems.add(`${path}.select`, `found ${found}, expected fields such as "namePattern: app-.*"`)
  return undefined
}

type Which = Pick<SelectSpec, 'namePattern' | 'exclude' | 'tags' | 'setName'>

function parseWhich(
  path: string,
  select: ReadonlyMap<string, RawValue>,
  problems: Problems,
): Which & { type: SelectSpec['type'] | undefined } {
  const at = `${path}.select`
  const text = (name: (typeof selectFieldNames)[number]) =>
    name === 'tags' ? '' : scalarText(at, name, select.get(name), problems)
  for (const key of [...select.keys()].slice(0, classLimits.fields.value)) {
    if ((selectFieldNames as readonly string[]).includes(key)) continue
    const near = nearestName(key, selectFieldNames)
    const hint = near === undefined ? `the fields are ${selectFieldNames.join(', ')}` : `did you mean ${near}?`
    problems.add(at, `unknown field "${key}"; ${hint}`)
  }
  const report = reporter(at, 'select', problems)
  const all = text('all')
  if (all !== '' && all !== 'true' && all !== 'false') problems.unexpected(`${at}.all`, all, 'true or false')
  const namePattern = parsePattern(`${at}.namePattern`, text('namePattern'), problems)
  const tags = parseTags(`${at}.tags`, select.get('tags'), problems)
  const isAll = all === 'true'
  const isSome = namePattern !== '' || tags.size > 0
  if (isAll && isSome) problems.add(at, 'all: true takes every object; leave it out, or namePattern and tags')
  if (!isAll && !isSome) problems.add(at, 'expected namePattern or tags, or all: true for every object of the type')
  const setName = text('name')
  if (!/^[A-Za-z0-9_.-]{0,64}$/.test(setName))
    problems.unexpected(`${at}.name`, setName, 'up to 64 letters, digits, dots, dashes and underscores')
  return {
    type: parseType(text('type') || 'secret', (_, words, detail) => report('type', words, detail)),
    namePattern,
    exclude: parsePattern(`${at}.exclude`, text('exclude'), problems),
    tags,
    setName,
  }
}

function parsePattern(path: string, text: string, problems: Problems): string {
  const compiled = text === '' ? undefined : compileNamePattern(text)
  if (compiled !== undefined && 'fault' in compiled) problems.add(path, compiled.fault)
  return text
}

function parseTags(path: string, value: RawValue | undefined, problems: Problems): ReadonlyMap<string, string> {
  if (value === undefined || isNull(value)) return new Map()
  if (value.kind !== 'map') {
    problems.add(path, 'expected a mapping such as { app: shop }')
    return new Map()
  }
  if (value.entries.size > classLimits.tags.value) {
    problems.add(path, beyondLimit(classLimits.tags, value.entries.size))
    return new Map()
  }
  const tags = new Map<string, string>()
  for (const [key, tag] of value.entries) {
    if (tag.kind === 'scalar') tags.set(key, isNull(tag) ? '' : tag.text)
    else problems.add(`${path}.${key}`, 'expected a text')
  }
  return tags
}

/** Without one, more objects than this are taken for a mistake. */
const defaultLimit = 100

function parseLimit(text: string, report: Report): number {
  if (text === '') return defaultLimit
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= classLimits.selected.value) return limit
  report('limit', `invalid limit: ${text}`, `expected a number from 1 to ${classLimits.selected.value}`)
  return defaultLimit
}
