import { beyondLimit, nearestName, type Problems } from '#lib'
import { parseJsonPath } from '#lib/formats'
import { classLimits } from './class-limits.ts'
import { cleanPath, fileNameProblem } from './file-name.ts'
import { jsonPathFieldNames, type ObjectFieldName, objectFieldNames, objectFields } from './object-fields.ts'
import {
  type ExtractSpec,
  type ObjectEncoding,
  type ObjectFormat,
  type ObjectSpec,
  type ObjectType,
  objectLabel,
} from './object-spec.ts'
import type { RawObject } from './parse-entries.ts'
import { isNull, type RawValue } from './parse-yaml.ts'

const types = new Map<string, ObjectType>([
  ...objectFields.objectType.allowed.map((type) => [type, type] as const),
  ['certificate', 'cert'],
])

/** One entry of `objects`, or undefined when something in it is wrong; everything wrong goes to `problems`. */
export function parseObject({ path, fields: given }: RawObject, problems: Problems): ObjectSpec | undefined {
  const before = problems.count
  if (given.size > classLimits.fields.value) {
    problems.add(path, beyondLimit(classLimits.fields, given.size))
    return undefined
  }
  // A class with so many problems is refused already.
  const fields = problems.full ? given : withRightNames(given)
  const text = (name: ObjectFieldName): string => scalarText(path, name, fields.get(name), problems)
  const typeText = text('objectType')
  const name = text('objectName')
  const version = text('objectVersion')
  const report = reporter(path, objectLabel({ type: typeText, name, version }), problems)

  for (const key of problems.full ? [] : given.keys()) {
    const near = misspelt(key, objectFieldNames)
    if (near !== undefined) report(key, `unknown field "${key}"`, `did you mean ${near}?`)
  }
  const type = parseType(typeText, report)
  const format = parseFormat(text('objectFormat'), type, report)
  const encoding = parseEncoding(text('objectEncoding'), type, report)
  const history = parseHistory(fields.get('objectVersionHistory'), report)
  const mode = parseMode(text('filePermission'), report)
  // A name of another kind has been reported.
  if (isText(fields.get('objectName'))) checkName(name, report)
  checkVersion(version, report)
  const alias = text('objectAlias')
  const extracts = parseExtracts(path, fields.get('jsonPath'), { alias, name, problems })
  // A name that is missing is reported once, as the name.
  const fileName = name === '' && alias === '' ? '' : parseFileName(alias || name, { history, extracts, report })
  const optional = parseOptional(text('optional'), report)
  const onlyTemplates = parseOnly(text('only'), report)
  for (const field of selectOnlyFields)
    if (fields.has(field)) report(field, `${field} needs select`, 'an entry with objectName is one object')
  if (extracts.length > 0 && type !== undefined && type !== 'secret') {
    report('jsonPath', 'jsonPath only supported for objectType: secret')
  }
  if (type === undefined || problems.count > before) return undefined
  return {
    path,
    type,
    name,
    // Upstream's documentation promises `latest` everywhere; upstream sends the literal word and fails.
    version: version === 'latest' ? '' : version,
    history,
    fileName,
    format,
    encoding,
    mode,
    vaultName: text('vault') || undefined,
    optional,
    extracts,
    onlyTemplates,
    selected: false,
  }
}

/** Fields that only an entry with `select` has. */
const selectOnlyFields = ['fileName', 'stripPrefix', 'limit'] as const satisfies readonly ObjectFieldName[]

export function parseOnly(text: string, report: Report): boolean {
  if (text !== '' && text !== 'templates') report('only', `invalid only: ${text}`, 'expected templates, or nothing')
  return text === 'templates'
}

/** The name that was probably meant, for an unknown name; undefined for a name of `names` and for one that resembles nothing. */
export function misspelt(name: string, names: readonly string[]): string | undefined {
  return names.includes(name) ? undefined : nearestName(name, names)
}

/** Values of misspelt fields under the right names: the name is reported, and its value is not missing as well. */
export function withRightNames(given: RawObject['fields']): Map<string, RawValue> {
  const fields = new Map(given)
  for (const [key, value] of given) {
    const near = misspelt(key, objectFieldNames)
    if (near !== undefined && !given.has(near)) fields.set(near, value)
  }
  return fields
}

export type Report = (field: string, words: string, detail?: string) => void

export function reporter(path: string, label: string, problems: Problems): Report {
  return (field, words, detail = '') => {
    const where = field === '' ? path : `${path}.${field}`
    problems.add('', `failed to get ${label}: ${words} (${where}${detail === '' ? '' : `: ${detail}`})`)
  }
}

function isText(value: RawValue | undefined): boolean {
  return value === undefined || value.kind === 'scalar'
}

export function scalarText(path: string, name: string, value: RawValue | undefined, problems: Problems): string {
  if (value === undefined || isNull(value)) return ''
  if (value.kind === 'scalar') return value.text.trim()
  if (name === 'jsonPath') return ''
  const found = value.kind === 'list' ? 'a list' : 'a mapping'
  const index = /\d+/.exec(path)?.[0] ?? ''
  problems.add(
    '',
    `unmarshal failed for keyVaultObjects at index ${index}, error: yaml: found ${found}, expected a text (${path}.${name})`,
  )
  return ''
}

export function parseType(text: string, report: Report): ObjectType | undefined {
  const type = types.get(text)
  if (type === undefined) {
    const near = text === '' ? undefined : nearestName(text, objectFields.objectType.allowed)
    const hint = near === undefined ? '' : `; did you mean ${near}?`
    report('objectType', 'Invalid vaultObjectTypes. Should be secret, key, or cert', `found "${text}"${hint}`)
  }
  return type
}

export function parseFormat(text: string, type: ObjectType | undefined, report: Report): ObjectFormat {
  const format = text.toLowerCase()
  if (format === '' || format === 'pem') return 'pem'
  if (format !== 'pfx') report('objectFormat', `invalid objectFormat: ${text}, should be PEM or PFX`)
  else if (type !== undefined && type !== 'secret')
    report('objectFormat', 'PFX format only supported for objectType: secret')
  return 'pfx'
}

export function parseEncoding(text: string, type: ObjectType | undefined, report: Report): ObjectEncoding {
  const encoding = text.toLowerCase()
  if (encoding === '') return 'utf-8'
  if (type !== undefined && type !== 'secret')
    report('objectEncoding', 'objectEncoding only supported for objectType: secret')
  else if (encoding === 'utf-8' || encoding === 'hex' || encoding === 'base64') return encoding
  else report('objectEncoding', `invalid objectEncoding: ${text}, should be hex, base64 or utf-8`)
  return 'utf-8'
}

/** The integers of YAML as Go's decoder takes them into an int32; a float is cut off, a quoted number is a text and refused. */
function parseHistory(value: RawValue | undefined, report: Report): number {
  if (value === undefined || isNull(value)) return 1
  const text = value.kind === 'scalar' ? value.text : ''
  const number = value.kind === 'scalar' && !value.quoted ? parseYamlNumber(text) : undefined
  if (number === undefined || number > 2_147_483_647 || number < -2_147_483_648) {
    const found = value.kind === 'scalar' ? JSON.stringify(text) : `a ${value.kind === 'list' ? 'list' : 'mapping'}`
    report('objectVersionHistory', `found ${found}, expected a plain number such as 3, without quotes`)
    return 1
  }
  return Math.max(1, number)
}

function parseYamlNumber(text: string): number | undefined {
  const plain = text.length > 64 ? '' : text.replaceAll('_', '')
  const match = /^([+-]?)(0x[0-9a-f]+|0o[0-7]+|0b[01]+|0[0-7]+|\d+|(?:\d+\.\d*|\.\d+|\d+)(?:e[+-]?\d+)?)$/i.exec(plain)
  if (match === null) return undefined
  const digits = match[2] ?? ''
  const magnitude = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Math.trunc(Number(digits))
  return match[1] === '-' ? -magnitude : magnitude
}

/** Octal text. Upstream drops its parse error and gives the file mode 0. */
export function parseMode(text: string, report: Report): number | undefined {
  if (text === '') return undefined
  const mode = /^\+?[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
  if (mode <= 0o777) return mode
  report('filePermission', `invalid filePermission: ${text}`, 'expected octal digits up to 0777, such as 0644 or 0400')
  return undefined
}

/** What a vault accepts as a name; the check keeps `..` and `?` out of the path of the request. */
function checkName(name: string, report: Report): void {
  if (name === '') report('objectName', 'parameter name cannot be empty')
  else if (!/^[0-9A-Za-z-]{1,127}$/.test(name)) {
    report('objectName', `invalid objectName: ${name}`, 'a vault has names of 1 to 127 letters, digits and dashes')
  }
}

function checkVersion(version: string, report: Report): void {
  if (/^[0-9A-Za-z-]{0,128}$/.test(version)) return
  const expected = 'expected the 32 letters and digits of a version id, or nothing for the newest'
  report('objectVersion', `invalid objectVersion: ${version}`, expected)
}

export function parseOptional(text: string, report: Report): boolean {
  if (text === '' || text === 'false') return false
  if (text !== 'true') report('optional', `invalid optional: ${text}`, 'expected true or false')
  return true
}

function parseFileName(
  name: string,
  { history, extracts, report }: { history: number; extracts: readonly ExtractSpec[]; report: Report },
): string {
  // Version files lie in a folder of that name, whose path upstream cleans by joining.
  const fileName = history > 1 && !name.startsWith('/') ? cleanPath(name) : name
  if (extracts.length > 0) return fileName
  const problem = fileNameProblem(fileName)
  if (problem !== undefined) report('', problem)
  return fileName
}

interface Names {
  alias: string
  name: string
  problems: Problems
}

/** `jsonPath: $.user` (into the object's own file) or a list of `{ path, objectAlias, filePermission }`. */
export function parseExtracts(
  path: string,
  value: RawValue | undefined,
  { alias, name, problems }: Names,
): ExtractSpec[] {
  if (value === undefined || isNull(value)) return []
  if (value.kind !== 'list') return parseExtract(`${path}.jsonPath`, value, { alias, name, problems })
  if (value.items.length > classLimits.files.value) {
    problems.add(`${path}.jsonPath`, beyondLimit(classLimits.files, value.items.length))
    return []
  }
  return value.items.flatMap((item, index) =>
    parseExtract(`${path}.jsonPath[${index}]`, item, { alias, name, problems }),
  )
}

function parseExtract(at: string, item: RawValue, { alias, name, problems }: Names): ExtractSpec[] {
  const fields =
    item.kind === 'map'
      ? item.entries
      : new Map([
          ['path', item],
          ['objectAlias', literal(alias || name)],
        ])
  const field = (key: (typeof jsonPathFieldNames)[number]) => scalarText(at, key, fields.get(key), problems)
  for (const key of problems.full ? [] : fields.keys()) {
    const near = misspelt(key, jsonPathFieldNames)
    if (near !== undefined) problems.add(`${at}.${key}`, `unknown field; did you mean ${near}?`)
  }
  const expression = field('path')
  const steps = parseJsonPath(expression)
  if (steps === undefined) {
    problems.unexpected(`${at}.path`, expression, 'a path such as $.database.password or $.hosts[0]')
  }
  const fileName = field('objectAlias') || String(steps?.at(-1) ?? '')
  const nameProblem = fileNameProblem(fileName)
  if (nameProblem !== undefined) problems.add(`${at}.objectAlias`, nameProblem)
  const mode = parseMode(field('filePermission'), (_, words, detail) =>
    problems.add(`${at}.filePermission`, `${words} (${detail ?? ''})`),
  )
  return steps === undefined ? [] : [{ steps, expression, fileName, mode }]
}

function literal(text: string): RawValue {
  return { kind: 'scalar', text, quoted: true }
}
