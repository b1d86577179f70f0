import {
  decodePem,
  encodePem,
  JsonError,
  parseJsonPath,
  parseSourceJson,
  SourceNumber,
  sourceJsonAt,
} from '#lib/formats'
import { bytesOfValue, type FunctionContext } from './function-context.ts'
import { quoted, quotedJson, quoteFormats } from './quote.ts'
import { templateLimits } from './template-limits.ts'
import { fromBytes, TemplateValue, toBytes } from './template-value.ts'
import { type Words, words } from './template-words.ts'
import { printYaml } from './yaml-text.ts'

/** Why a function has no result. The evaluator adds the position. */
export class FunctionFault extends Error {
  readonly words: Words

  constructor(reason: Words) {
    super(reason.toString())
    this.words = reason
  }
}

/** A function of templates. A row is what the parser, the evaluator and the reference go by. */
export interface FunctionRow {
  /** Numbers of values, the one from the pipe included. */
  least: number
  most: number
  /** For messages and the reference. */
  usage: string
  meaning: string
  /** Undefined for those that the evaluator answers itself: they look at the volume, or at whether there is a value. */
  call?: (context: FunctionContext, ...args: TemplateValue[]) => TemplateValue
}

const one = { least: 1, most: 1 }
const two = { least: 2, most: 2 }

function onText(change: (bytes: string) => string): NonNullable<FunctionRow['call']> {
  return (context, value) => TemplateValue.ofBytes(change(context.text(value as TemplateValue)))
}

export const templateFunctions = {
  index: {
    least: 1,
    most: 8,
    usage: 'index "FILE", or index SET "FILE"',
    meaning:
      'The file of the volume with exactly this name; with a set, a map or a list before it, the entry in there.',
  },
  selected: {
    ...one,
    usage: 'selected "SET"',
    meaning: 'The files of an entry of `objects` with `select`, by its `name`.',
  },
  default: {
    ...two,
    usage: 'VALUE | default "OTHER"',
    meaning: 'The other value where there is none, or an empty one.',
  },
  b64enc: {
    ...one,
    usage: 'VALUE | b64enc',
    meaning: 'Base64.',
    call: onText((bytes) => Buffer.from(bytes, 'latin1').toString('base64')),
  },
  b64dec: { ...one, usage: 'VALUE | b64dec', meaning: 'The bytes of base64.', call: onText(decodeBase64) },
  json: {
    ...one,
    usage: 'VALUE | json',
    meaning: 'JSON: a text in quotes, or a set, map or list as a whole.',
    call: (context, value) => TemplateValue.ofBytes(printJson(context, value)),
  },
  yaml: {
    ...one,
    usage: 'VALUE | yaml',
    meaning: 'YAML: a text in double quotes, or a set, map or list as a block.',
    call: (context, value) => TemplateValue.ofBytes(printYaml(context, value)),
  },
  quote: {
    ...two,
    usage: `VALUE | quote "FORMAT", one of ${quoteFormats.join(', ')}`,
    meaning: 'The text as a value of a file of this format: `properties`, `shell`, `json`, `yaml` or `toml`.',
    call(context, format, value) {
      const name = fromBytes(context.text(format))
      const text = quoted(name, context.text(value))
      if ('fault' in text) throw new FunctionFault(text.fault)
      return TemplateValue.ofBytes(text.bytes)
    },
  },
  trim: {
    ...one,
    usage: 'VALUE | trim',
    meaning: 'Without blanks and line ends around it.',
    call: onText((bytes) => toBytes(trimSpace(fromBytes(bytes)))),
  },
  upper: {
    ...one,
    usage: 'VALUE | upper',
    meaning: 'In capital letters.',
    call: onText((bytes) => toBytes(byCharacter(fromBytes(bytes), (character) => character.toUpperCase()))),
  },
  lower: {
    ...one,
    usage: 'VALUE | lower',
    meaning: 'In small letters.',
    call: onText((bytes) => toBytes(byCharacter(fromBytes(bytes), (character) => character.toLowerCase()))),
  },
  urlquery: {
    ...one,
    usage: 'VALUE | urlquery',
    meaning: 'Escaped for the query of a URL.',
    call: onText(escapeQuery),
  },
  indent: {
    ...two,
    usage: 'VALUE | indent NUMBER',
    meaning: 'Every line behind this number of spaces.',
    call: (context, spaces, value) => TemplateValue.ofBytes(indented(context, spaces, value)),
  },
  nindent: {
    ...two,
    usage: 'VALUE | nindent NUMBER',
    meaning: 'As `indent`, after a line end.',
    call: (context, spaces, value) => TemplateValue.ofBytes(`\n${indented(context, spaces, value)}`),
  },
  fromJson: {
    ...one,
    usage: 'VALUE | fromJson',
    meaning: 'The value of a JSON text, for `range` and `.member`.',
    call: (context, value) => fromSource(parseDocument(context, value)),
  },
  jsonPath: {
    ...two,
    usage: 'VALUE | jsonPath "$.PATH"',
    meaning: 'The part of a JSON text at a path such as `$.hosts[0]`.',
    call(context, path, value) {
      const expression = fromBytes(context.text(path))
      const steps = parseJsonPath(expression)
      if (steps === undefined)
        throw new FunctionFault(words`jsonPath expects a path such as $.database.password or $.hosts[0]`)
      const found = sourceJsonAt(parseDocument(context, value), steps)
      return found === undefined ? TemplateValue.missing(path.literal) : fromSource(found)
    },
  },
  pemChain: {
    ...one,
    usage: 'VALUE | pemChain',
    meaning: 'The certificates of a PEM text.',
    call: (context, value) => pemBlocks(context, value, words`certificate`, (label) => label === 'CERTIFICATE'),
  },
  pemKey: {
    ...one,
    usage: 'VALUE | pemKey',
    meaning: 'The private key of a PEM text.',
    call: (context, value) => pemBlocks(context, value, words`private key`, (label) => label.endsWith('PRIVATE KEY')),
  },
} as const satisfies Readonly<Record<string, FunctionRow>>

export type FunctionName = keyof typeof templateFunctions

export const functionNames = Object.keys(templateFunctions) as readonly FunctionName[]

/** RFC 4648 section 4, padding required, line ends skipped. */
function decodeBase64(bytes: string): string {
  const digits = bytes.replace(/[\r\n]/g, '')
  const padding = digits.endsWith('==') ? 2 : digits.endsWith('=') ? 1 : 0
  const body = digits.slice(0, digits.length - padding)
  if (digits.length % 4 !== 0 || /[^A-Za-z0-9+/]/.test(body)) throw new FunctionFault(words`the value is not base64`)
  return Buffer.from(body, 'base64').toString('latin1')
}

/** What Go's `unicode.IsSpace` holds for a blank. */
const blank = /[\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

function trimSpace(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && blank.test(text[from] ?? '')) from++
  while (to > from && blank.test(text[to - 1] ?? '')) to--
  return text.slice(from, to)
}

/** Letter by letter, as Go: a letter whose capital is two letters stays. */
function byCharacter(text: string, change: (character: string) => string): string {
  let changed = ''
  for (const character of text) {
    const other = change(character)
    changed += [...other].length === 1 ? other : character
  }
  return changed
}

/** Go's `url.QueryEscape`. */
function escapeQuery(bytes: string): string {
  return bytes.replace(/[^A-Za-z0-9_.~-]/g, (byte) =>
    byte === ' ' ? '+' : `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

function indented(context: FunctionContext, spaces: TemplateValue, value: TemplateValue): string {
  const content = spaces.revealContent()
  const count = content.kind === 'number' ? Number(context.text(spaces)) : Number.NaN
  const most = templateLimits.templateIndent.value
  if (!(count >= 0 && count <= most)) throw new FunctionFault(words`expected a number of spaces from 0 to ${most}`)
  const bytes = context.text(value)
  let lines = 1
  for (let at = bytes.indexOf('\n'); at >= 0; at = bytes.indexOf('\n', at + 1)) lines++
  context.spend(lines * count)
  const pad = ' '.repeat(count)
  return pad + bytes.replaceAll('\n', `\n${pad}`)
}

const maxValues = templateLimits.templateJsonValues.value
const maxDepth = 64

function parseDocument(context: FunctionContext, value: TemplateValue): unknown {
  const text = fromBytes(context.text(value))
  context.spend(valuesIn(text) * bytesOfValue)
  try {
    return parseSourceJson('the value', text, { maxValues, maxDepth })
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    if (error.code === 'json-too-many-values')
      throw new FunctionFault(words`the value has more than the ${maxValues} values allowed`)
    if (error.code === 'json-too-deep')
      throw new FunctionFault(words`the value nests deeper than the ${maxDepth} levels allowed`)
    throw new FunctionFault(words`the value is not JSON`)
  }
}

/** About how many values a JSON text has: one for each comma and each bracket that opens. */
function valuesIn(text: string): number {
  let count = 1
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0x2c || code === 0x5b || code === 0x7b) count++
  }
  return count
}

function fromSource(value: unknown): TemplateValue {
  if (value === null || value === undefined) return TemplateValue.null
  if (typeof value === 'string') return TemplateValue.ofText(value)
  if (typeof value === 'boolean') return TemplateValue.ofBoolean(value)
  if (value instanceof SourceNumber) return TemplateValue.ofNumber(value.source)
  if (Array.isArray(value)) return TemplateValue.ofList(value.map(fromSource))
  return TemplateValue.ofMap(Object.entries(value).map(([key, inner]) => [key, fromSource(inner)] as const))
}

/** Members in the order of their names. */
function printJson(context: FunctionContext, value: TemplateValue): string {
  context.spend(bytesOfValue)
  const content = value.revealContent()
  switch (content.kind) {
    case 'null':
      return 'null'
    case 'number':
    case 'boolean':
      return context.text(value)
    case 'list':
      return `[${content.items.map((item) => printJson(context, item)).join(',')}]`
    case 'map': {
      const members = [...content.entries].map(
        ([key, inner]) => `${quotedJson(toBytes(key))}:${printJson(context, inner)}`,
      )
      return `{${members.join(',')}}`
    }
    default:
      return quotedJson(context.text(value))
  }
}

function pemBlocks(
  context: FunctionContext,
  value: TemplateValue,
  what: Words,
  wanted: (label: string) => boolean,
): TemplateValue {
  const blocks = decodePem(fromBytes(context.text(value))).filter(({ label }) => wanted(label))
  if (blocks.length === 0) throw new FunctionFault(words`the value has no PEM block of a ${what}`)
  return TemplateValue.ofText(blocks.map(encodePem).join(''))
}
