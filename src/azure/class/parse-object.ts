import { nearestName, type Problem } from '#lib'
import { cleanPath, fileNameProblem } from './file-name.ts'
import {
  type ExtractSpec,
  type ObjectEncoding,
  type ObjectFormat,
  type ObjectSpec,
  type ObjectType,
  objectLabel,
} from './object-spec.ts'
import { parseJsonPath } from './parse-json-path.ts'
import { isNull, type RawObject, type RawValue } from './parse-objects.ts'

const fieldNames = [
  'objectName',
  'objectAlias',
  'objectType',
  'objectVersion',
  'objectVersionHistory',
  'objectFormat',
  'objectEncoding',
  'filePermission',
  'vault',
  'optional',
  'jsonPath',
] as const

const types: Record<string, ObjectType> = { secret: 'secret', key: 'key', cert: 'cert', certificate: 'cert' }

/** One entry of `objects`, or undefined when something in it is wrong; everything wrong goes to `problems`. */
export function parseObject({ path, fields }: RawObject, problems: Problem[]): ObjectSpec | undefined {
  const before = problems.length
  const text = (name: (typeof fieldNames)[number]): string => scalarText(path, name, fields.get(name), problems)
  const typeText = text('objectType')
  const name = text('objectName')
  const version = text('objectVersion')
  const label = objectLabel({ type: typeText, name, version })
  const wrong = (field: string, words: string, detail = '') => {
    const where = field === '' ? path : `${path}.${field}`
    problems.push({
      path: '',
      message: `failed to get ${label}: ${words} (${where}${detail === '' ? '' : `: ${detail}`})`,
    })
  }

  for (const key of fields.keys()) {
    const near = misspelt(key, fieldNames)
    if (near !== undefined) wrong(key, `unknown field "${key}"`, `did you mean ${near}?`)
  }
  const type = types[typeText]
  if (type === undefined) {
    const near = nearestName(typeText, ['secret', 'key', 'cert'])
    const hint = near === undefined || typeText === '' ? '' : `; did you mean ${near}?`
    wrong('objectType', 'Invalid vaultObjectTypes. Should be secret, key, or cert', `found "${typeText}"${hint}`)
  }
  const format = parseFormat(text('objectFormat'), type, wrong)
  const encoding = parseEncoding(text('objectEncoding'), type, wrong)
  const history = parseHistory(fields.get('objectVersionHistory'), wrong)
  const mode = parseMode(text('filePermission'), wrong)
  checkName(name, wrong)
  if (!/^[0-9A-Za-z-]{0,128}$/.test(version)) {
    wrong(
      'objectVersion',
      `invalid objectVersion: ${version}`,
      'expected the 32 letters and digits of a version id, or nothing for the newest',
    )
  }
  const extracts = parseExtracts(path, fields.get('jsonPath'), { alias: text('objectAlias'), name, problems })
  const fileName = parseFileName(text('objectAlias') || name, { history, extracts, wrong })
  const optional = parseOptional(text('optional'), wrong)
  if (extracts.length > 0 && type !== undefined && type !== 'secret') {
    wrong('jsonPath', 'jsonPath only supported for objectType: secret')
  }
  if (type === undefined || problems.length > before) return undefined
  return {
    path,
    type,
    name,
    // The field's documentation promises `latest` everywhere; upstream sends the literal word and fails.
    version: version === 'latest' ? '' : version,
    history,
    fileName,
    format,
    encoding,
    mode,
    vaultName: text('vault') || undefined,
    optional,
    extracts,
  }
}

type Wrong = (field: string, words: string, detail?: string) => void

function scalarText(path: string, name: string, value: RawValue | undefined, problems: Problem[]): string {
  if (value === undefined || isNull(value)) return ''
  if (value.kind === 'scalar') return value.text.trim()
  if (name === 'jsonPath') return ''
  const tag = value.kind === 'list' ? '!!seq' : '!!map'
  const message = `unmarshal failed for keyVaultObjects at index ${/\d+/.exec(path)?.[0] ?? ''}, error: yaml: unmarshal errors: cannot unmarshal ${tag} into string (${path}.${name})`
  problems.push({ path: '', message })
  return ''
}

/** The name that was probably meant, for a name that is not known; undefined when it is known or resembles nothing. */
export function misspelt(name: string, known: readonly string[]): string | undefined {
  return known.includes(name) ? undefined : nearestName(name, known)
}

/** What a vault accepts as a name; the check keeps `..` and `?` out of the path of the request. */
function checkName(name: string, wrong: Wrong): void {
  if (name === '') wrong('objectName', 'parameter name cannot be empty')
  else if (!/^[0-9A-Za-z-]{1,127}$/.test(name)) {
    wrong('objectName', `invalid objectName: ${name}`, 'a vault has names of 1 to 127 letters, digits and dashes')
  }
}

function parseFormat(text: string, type: ObjectType | undefined, wrong: Wrong): ObjectFormat {
  const format = text.toLowerCase()
  if (format === '' || format === 'pem') return 'pem'
  if (format !== 'pfx') wrong('objectFormat', `invalid objectFormat: ${text}, should be PEM or PFX`)
  else if (type !== undefined && type !== 'secret')
    wrong('objectFormat', 'PFX format only supported for objectType: secret')
  return 'pfx'
}

function parseEncoding(text: string, type: ObjectType | undefined, wrong: Wrong): ObjectEncoding {
  const encoding = text.toLowerCase()
  if (encoding === '') return 'utf-8'
  if (type !== undefined && type !== 'secret')
    wrong('objectEncoding', 'objectEncoding only supported for objectType: secret')
  else if (encoding === 'utf-8' || encoding === 'hex' || encoding === 'base64') return encoding
  else wrong('objectEncoding', `invalid objectEncoding: ${text}, should be hex, base64 or utf-8`)
  return 'utf-8'
}

/** The integers of YAML as Go's decoder takes them into an int32; a float is cut off, a quoted number is a text and refused. */
function parseHistory(value: RawValue | undefined, wrong: Wrong): number {
  if (value === undefined || isNull(value)) return 1
  const text = value.kind === 'scalar' ? value.text : ''
  const number = value.kind === 'scalar' && !value.quoted ? parseYamlNumber(text) : undefined
  if (number === undefined || number > 2_147_483_647 || number < -2_147_483_648) {
    const tag = value.kind === 'list' ? '!!seq' : value.kind === 'map' ? '!!map' : '!!str'
    wrong(
      'objectVersionHistory',
      `yaml: unmarshal errors: cannot unmarshal ${tag} \`${text}\` into int32`,
      'expected a plain number such as 3, without quotes',
    )
    return 1
  }
  return Math.max(1, number)
}

function parseYamlNumber(text: string): number | undefined {
  const plain = text.replaceAll('_', '')
  const match = /^([+-]?)(0x[0-9a-f]+|0o[0-7]+|0b[01]+|0[0-7]+|\d+|(?:\d+\.\d*|\.\d+|\d+)(?:e[+-]?\d+)?)$/i.exec(plain)
  if (match === null) return undefined
  const digits = match[2] ?? ''
  const magnitude = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Math.trunc(Number(digits))
  return match[1] === '-' ? -magnitude : magnitude
}

/** Octal text. Upstream drops its parse error and gives the file mode 0. */
function parseMode(text: string, wrong: Wrong): number | undefined {
  if (text === '') return undefined
  const mode = /^\+?[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
  if (mode <= 0o777) return mode
  wrong('filePermission', `invalid filePermission: ${text}`, 'expected octal digits up to 0777, such as 0644 or 0400')
  return undefined
}

function parseOptional(text: string, wrong: Wrong): boolean {
  if (text === '' || text === 'false') return false
  if (text !== 'true') wrong('optional', `invalid optional: ${text}`, 'expected true or false')
  return true
}

function parseFileName(
  name: string,
  { history, extracts, wrong }: { history: number; extracts: readonly ExtractSpec[]; wrong: Wrong },
): string {
  // Version files lie in a folder of that name, whose path gets cleaned by joining, as in the field.
  const fileName = history > 1 && !name.startsWith('/') ? cleanPath(name) : name
  if (extracts.length > 0) return fileName
  const problem = fileNameProblem(fileName)
  if (problem !== undefined) wrong('', problem)
  return fileName
}

/** `jsonPath: $.user` (into the object's own file) or a list of `{ path, objectAlias, filePermission }`. */
function parseExtracts(
  path: string,
  value: RawValue | undefined,
  { alias, name, problems }: { alias: string; name: string; problems: Problem[] },
): ExtractSpec[] {
  if (value === undefined || isNull(value)) return []
  const items = value.kind === 'list' ? value.items : [value]
  return items.flatMap((item, index) => {
    const at = value.kind === 'list' ? `${path}.jsonPath[${index}]` : `${path}.jsonPath`
    const fields =
      item.kind === 'map'
        ? item.entries
        : new Map([
            ['path', item],
            ['objectAlias', literal(alias || name)],
          ])
    const field = (key: string) => scalarText(at, key, fields.get(key), problems)
    for (const key of fields.keys()) {
      const near = misspelt(key, ['path', 'objectAlias', 'filePermission'])
      if (near !== undefined) problems.push({ path: `${at}.${key}`, message: `unknown field; did you mean ${near}?` })
    }
    const expression = field('path')
    const steps = parseJsonPath(expression)
    if (steps === undefined) {
      problems.push({
        path: `${at}.path`,
        message: `found "${expression}", expected a path such as $.database.password or $.hosts[0]`,
      })
    }
    const fileName = field('objectAlias') || String(steps?.at(-1) ?? '')
    const nameProblem = fileNameProblem(fileName)
    if (nameProblem !== undefined) problems.push({ path: `${at}.objectAlias`, message: nameProblem })
    const mode = parseMode(field('filePermission'), (_, words, detail) =>
      problems.push({ path: `${at}.filePermission`, message: `${words} (${detail ?? ''})` }),
    )
    return steps === undefined ? [] : [{ steps, expression, fileName, mode }]
  })
}

function literal(text: string): RawValue {
  return { kind: 'scalar', text, quoted: true }
}
