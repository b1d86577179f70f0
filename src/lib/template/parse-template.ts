import { beyondLimit, nearestName } from '#lib'
import { functionNames, templateFunctions } from './functions.ts'
import type { Branch, Command, Operand, Pipeline, Template, TemplateNode } from './template-ast.ts'
import { positionAt, TemplateError } from './template-error.ts'
import { templateLimits } from './template-limits.ts'
import { TemplateValue, toBytes } from './template-value.ts'
import { type Quotable, quotableText, words } from './template-words.ts'
import { type ActionToken, type TemplateBudget, type Token, templateBudget, tokensOf } from './tokens.ts'

/**
 * Parses a template of the subset: the names of files, `index`, `selected`, pipelines, `if`, `range`, comments, trim markers
 * and the functions of `templateFunctions`, with the meaning they have in https://pkg.go.dev/text/template. Takes time in
 * proportion to the text.
 *
 * @param budget of all templates of one author together
 * @throws {TemplateError} with `template-invalid`, line and column
 */
export function parseTemplate(text: string, budget: TemplateBudget = templateBudget()): Template {
  const tokens = [...tokensOf(text, budget)]
  const parser: Parser = { text, tokens, next: 0, depth: 0, variables: [] }
  const { nodes, ended } = parseBody(parser)
  if (ended !== undefined) throw fault(text, ended.offset, `${ended.word} without an if or a range before it`)
  return { text, body: nodes }
}

interface Parser {
  text: string
  tokens: readonly Token[]
  next: number
  depth: number
  /** Variables of the ranges around, the innermost last. */
  variables: string[]
}

/** What ends a body. */
interface Ending {
  word: 'end' | 'else'
  rest: readonly ActionToken[]
  offset: number
}

function fault(text: string, offset: number, reason: string): TemplateError {
  return new TemplateError('template-invalid', positionAt(text, offset), words`${quotableText(reason)}`)
}

function parseBody(parser: Parser): { nodes: TemplateNode[]; ended: Ending | undefined } {
  const nodes: TemplateNode[] = []
  for (;;) {
    const token = parser.tokens[parser.next++]
    if (token === undefined) return { nodes, ended: undefined }
    if (token.kind === 'text') {
      nodes.push({ kind: 'text', bytes: toBytes(token.text), offset: token.offset })
      continue
    }
    const [first, ...rest] = token.tokens
    const word: string = first?.kind === 'word' ? first.text : ''
    const { offset } = token
    if (word === 'end' && rest.length === 0) return { nodes, ended: { word, rest, offset } }
    if (word === 'else') return { nodes, ended: { word, rest, offset } }
    if (word === 'if') nodes.push(deeper(parser, offset, () => parseIf(parser, rest, offset)))
    else if (word === 'range') nodes.push(deeper(parser, offset, () => parseRange(parser, rest, offset)))
    else nodes.push({ kind: 'output', pipeline: parseWhole(parser, token.tokens, offset), offset })
  }
}

function deeper<T>(parser: Parser, offset: number, parse: () => T): T {
  const { templateDepth } = templateLimits
  if (++parser.depth > templateDepth.value) throw fault(parser.text, offset, beyondLimit(templateDepth, parser.depth))
  const parsed = parse()
  parser.depth--
  return parsed
}

function parseIf(parser: Parser, condition: readonly ActionToken[], offset: number): TemplateNode {
  const branches: Branch[] = []
  let tokens = condition
  let at = offset
  for (;;) {
    const pipeline = parseWhole(parser, tokens, at)
    const { nodes, ended } = parseBody(parser)
    branches.push({ condition: pipeline, body: nodes })
    if (ended === undefined) throw fault(parser.text, offset, 'the if has no end: expected {{ end }}')
    if (ended.word === 'end') return { kind: 'if', branches, otherwise: [], offset }
    const [first, ...rest] = ended.rest
    if (first === undefined) return { kind: 'if', branches, otherwise: parseOtherwise(parser, offset, 'if'), offset }
    if (first.kind !== 'word' || first.text !== 'if')
      throw fault(parser.text, first.offset, 'expected {{ else }} or {{ else if … }}')
    tokens = rest
    at = ended.offset
  }
}

function parseOtherwise(parser: Parser, offset: number, what: 'if' | 'range'): TemplateNode[] {
  const { nodes, ended } = parseBody(parser)
  if (ended === undefined) throw fault(parser.text, offset, `the ${what} has no end: expected {{ end }}`)
  if (ended.word === 'else')
    throw fault(parser.text, ended.offset, `expected {{ end }}: the ${what} has an else already`)
  return nodes
}

function parseRange(parser: Parser, tokens: readonly ActionToken[], offset: number): TemplateNode {
  const assigned = tokens.findIndex(({ text, kind }) => kind === 'symbol' && text === ':=')
  const names = assigned < 0 ? [] : rangeVariables(parser, tokens.slice(0, assigned), offset)
  const pipeline = parseWhole(parser, tokens.slice(assigned + 1), offset)
  const [key, value] = names.length === 2 ? names : [undefined, names[0]]
  const outside = parser.variables.length
  parser.variables.push(...names)
  const { nodes: body, ended } = parseBody(parser)
  parser.variables.length = outside
  if (ended === undefined) throw fault(parser.text, offset, 'the range has no end: expected {{ end }}')
  const [more] = ended.rest
  if (more !== undefined) throw fault(parser.text, more.offset, 'expected {{ else }}: a range has no conditions')
  const otherwise = ended.word === 'end' ? [] : parseOtherwise(parser, offset, 'range')
  return { kind: 'range', range: { pipeline, key, value, body, otherwise }, offset }
}

function rangeVariables({ text }: Parser, tokens: readonly ActionToken[], offset: number): string[] {
  const names = tokens.filter((_, index) => index % 2 === 0)
  const commas = tokens.filter((_, index) => index % 2 === 1)
  const isRight =
    (tokens.length === 1 || tokens.length === 3) &&
    names.every((token) => token.kind === 'variable' && token.text !== '') &&
    commas.every((token) => token.kind === 'symbol' && token.text === ',')
  if (!isRight) throw fault(text, offset, 'expected range $value := … or range $name, $value := …')
  return names.map((token) => token.text)
}

/** The tokens of an action, all of which belong to one pipeline. */
function parseWhole(parser: Parser, tokens: readonly ActionToken[], offset: number): Pipeline {
  const reader: Reader = { parser, tokens, next: 0, offset }
  const pipeline = parsePipeline(reader)
  const left = tokens[reader.next]
  if (left !== undefined) throw fault(parser.text, left.offset, 'expected | or }}')
  return pipeline
}

interface Reader {
  parser: Parser
  tokens: readonly ActionToken[]
  next: number
  /** Of the action. */
  offset: number
}

function peek({ tokens, next }: Reader): ActionToken | undefined {
  return tokens[next]
}

function isSymbol(token: ActionToken | undefined, text: string): boolean {
  return token?.kind === 'symbol' && token.text === text
}

function parsePipeline(reader: Reader): Pipeline {
  const commands: Command[] = [parseCommand(reader, true)]
  while (isSymbol(peek(reader), '|')) {
    reader.next++
    commands.push(parseCommand(reader, false))
  }
  return commands
}

const unsupported: ReadonlySet<string> = new Set([
  ...['with', 'define', 'template', 'block', 'break', 'continue', 'nil', 'call', 'html', 'js', 'len', 'slice', 'print'],
  ...['printf', 'println', 'and', 'or', 'not', 'eq', 'ne', 'lt', 'le', 'gt', 'ge'],
])

function parseCommand(reader: Reader, isFirst: boolean): Command {
  const { parser } = reader
  const token = peek(reader)
  if (token === undefined)
    throw fault(parser.text, reader.tokens.at(-1)?.offset ?? reader.offset, 'expected a value or a function')
  const { offset } = token
  if (token.kind === 'word' && token.text !== 'true' && token.text !== 'false') {
    reader.next++
    return parseCall(reader, token, isFirst)
  }
  const operand = parseOperand(reader)
  if (!isFirst) throw fault(parser.text, offset, `expected a function behind |: one of ${functionNames.join(', ')}`)
  const next = peek(reader)
  if (next !== undefined && startsOperand(next))
    throw fault(parser.text, next.offset, 'expected | or }}: only functions take values')
  return { kind: 'operand', operand, offset }
}

function parseCall(reader: Reader, { text: name, offset }: ActionToken, isFirst: boolean): Command {
  const { parser } = reader
  const row = Object.hasOwn(templateFunctions, name)
    ? templateFunctions[name as keyof typeof templateFunctions]
    : undefined
  if (row === undefined) throw fault(parser.text, offset, unknownFunction(name))
  const args: Operand[] = []
  for (let next = peek(reader); next !== undefined && startsOperand(next); next = peek(reader)) {
    args.push(parseOperand(reader))
  }
  const count = args.length + (isFirst ? 0 : 1)
  if (count < row.least || count > row.most) throw fault(parser.text, offset, `${name} is used as ${row.usage}`)
  return { kind: 'call', name, args, offset }
}

function unknownFunction(name: string): string {
  if (name === 'end') return 'expected {{ end }} alone'
  if (unsupported.has(name)) return `${name} is not supported; the functions are ${functionNames.join(', ')}`
  const near = nearestName(name, [...functionNames, 'if', 'range', 'else', 'end'])
  const hint = near === undefined ? `the functions are ${functionNames.join(', ')}` : `did you mean ${near}?`
  return `there is no function "${name.slice(0, 60)}"; ${hint}`
}

function startsOperand({ kind, text }: ActionToken): boolean {
  return kind !== 'symbol' || text === '('
}

function parseOperand(reader: Reader): Operand {
  const { parser } = reader
  const token = peek(reader)
  if (token === undefined) throw fault(parser.text, reader.offset, 'expected a value')
  const { kind, text, offset } = token
  reader.next++
  switch (kind) {
    case 'string':
      return { kind: 'text', text, value: TemplateValue.ofLiteral(text), offset }
    case 'number':
      return { kind: 'number', value: TemplateValue.ofLiteralNumber(quotableText(String(Number(text)))), offset }
    case 'field':
      return { kind: 'dot', fields: [...(text === '' ? [] : [text]), ...parseFields(reader)], offset }
    case 'variable':
      if (text !== '' && !parser.variables.includes(text))
        throw fault(parser.text, offset, `there is no variable $${text.slice(0, 60)}; a range declares variables`)
      return { kind: 'variable', variable: text, fields: parseFields(reader), offset }
    case 'word':
      if (text === 'true' || text === 'false') return { kind: 'boolean', value: text === 'true', offset }
      throw fault(parser.text, offset, `expected a value: put ${text.slice(0, 60)} and its values into parentheses`)
    default: {
      if (text !== '(') throw fault(parser.text, offset, 'expected a value or a function')
      const pipeline = deeper(parser, offset, () => parsePipeline(reader))
      if (!isSymbol(peek(reader), ')')) throw fault(parser.text, offset, 'the parenthesis has no end: expected )')
      reader.next++
      return { kind: 'pipeline', pipeline, fields: parseFields(reader), offset }
    }
  }
}

/** `.b.c` directly behind an operand. */
function parseFields(reader: Reader): Quotable[] {
  const fields: Quotable[] = []
  for (;;) {
    const token = peek(reader)
    if (token?.kind !== 'field' || token.spaced || token.text === '') return fields
    fields.push(token.text)
    reader.next++
  }
}
