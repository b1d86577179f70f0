import { nearestName, type SecretValue, withUnit } from '#lib'
import { FunctionFault, type FunctionRow, templateFunctions } from './functions.ts'
import type { Command, Operand, Pipeline, Range, Template, TemplateNode } from './template-ast.ts'
import { positionAt, TemplateError } from './template-error.ts'
import type { TemplateFiles } from './template-files.ts'
import { templateLimits } from './template-limits.ts'
import { fromBytes, secretOf, TemplateValue } from './template-value.ts'
import { cut, type Quotable, quotableText, type Words, words } from './template-words.ts'

export interface Rendered {
  contents: SecretValue
  /** Names of the files that it was made of, and of those that it asked for and that are not there, sorted. */
  used: readonly string[]
  /** What it took, see `templateLimits`. */
  steps: number
}

/**
 * Fills a template in. Takes at most the steps and writes at most the bytes of `templateLimits`.
 *
 * @throws {TemplateError} with `template-failed`: position and name of what is missing, never a value
 */
export function renderTemplate(template: Template, files: TemplateFiles): Rendered {
  const state: State = { template, files, steps: 0, written: 0, chunks: [], used: new Set() }
  renderBody(state, template.body, { dot: TemplateValue.files, variables: new Map() })
  return { contents: secretOf(state.chunks.join('')), used: [...state.used].toSorted(), steps: state.steps }
}

interface State {
  template: Template
  files: TemplateFiles
  steps: number
  written: number
  /** Output: each character is a byte. */
  chunks: string[]
  used: Set<string>
}

interface Scope {
  dot: TemplateValue
  variables: ReadonlyMap<string, TemplateValue>
}

function failed({ template }: State, offset: number, reason: Words): TemplateError {
  return new TemplateError('template-failed', positionAt(template.text, offset), reason)
}

function spend(state: State, offset: number, steps: number): void {
  state.steps += steps
  const { value } = templateLimits.templateSteps
  if (state.steps > value)
    throw failed(state, offset, words`the template takes more than the ${limitText(value, 'count')} steps it may take`)
}

function limitText(value: number, unit: 'count' | 'bytes'): Quotable {
  return quotableText(withUnit(value, unit))
}

function spendBytes(state: State, offset: number, bytes: number): void {
  spend(state, offset, bytes / 1024)
}

function write(state: State, offset: number, bytes: string): void {
  state.written += bytes.length
  const { value } = templateLimits.templateOutputBytes
  if (state.written > value)
    throw failed(state, offset, words`the template writes more than the ${limitText(value, 'bytes')} it may write`)
  spendBytes(state, offset, bytes.length)
  state.chunks.push(bytes)
}

function renderBody(state: State, nodes: readonly TemplateNode[], scope: Scope): void {
  for (const node of nodes) {
    spend(state, node.offset, 1)
    switch (node.kind) {
      case 'text':
        write(state, node.offset, node.bytes)
        break
      case 'output':
        write(state, node.offset, printed(state, node.offset, evaluate(state, node.pipeline, scope)))
        break
      case 'if': {
        const branch = node.branches.find(({ condition }) =>
          isTrue(state, node.offset, evaluate(state, condition, scope)),
        )
        renderBody(state, branch?.body ?? node.otherwise, scope)
        break
      }
      default:
        renderRange(state, node.range, node.offset, scope)
    }
  }
}

function renderRange(state: State, range: Range, offset: number, scope: Scope): void {
  const entries = entriesOf(state, offset, evaluate(state, range.pipeline, scope))
  for (const [key, value] of entries) {
    spend(state, offset, 1)
    const variables = new Map(scope.variables)
    if (range.key !== undefined) variables.set(range.key, key)
    if (range.value !== undefined) variables.set(range.value, value)
    renderBody(state, range.body, { dot: value, variables })
  }
  if (entries.length === 0) renderBody(state, range.otherwise, scope)
}

function entriesOf(state: State, offset: number, value: TemplateValue): [TemplateValue, TemplateValue][] {
  const content = value.revealContent()
  switch (content.kind) {
    case 'list':
      return content.items.map((item, index) => [TemplateValue.ofNumber(String(index)), item])
    case 'map':
      return [...content.entries].map(([key, item]) => [TemplateValue.ofText(key), item])
    case 'missing':
    case 'null':
      return []
    default:
      throw failed(state, offset, words`a range goes over a set (selected "NAME"), or a list or map of fromJson`)
  }
}

/** As Go: what is empty or 0 is false, and so is what is not there. */
function isTrue(state: State, offset: number, value: TemplateValue): boolean {
  const content = value.revealContent()
  switch (content.kind) {
    case 'text':
      return content.bytes !== ''
    case 'number':
      spendBytes(state, offset, content.digits.length)
      return Number(content.digits) !== 0
    case 'boolean':
      return content.value
    case 'list':
      return content.items.length > 0
    case 'map':
      return content.entries.size > 0
    case 'files':
      return true
    default:
      return false
  }
}

function printed(state: State, offset: number, value: TemplateValue): string {
  const content = value.revealContent()
  switch (content.kind) {
    case 'text':
      return content.bytes
    case 'number':
      return content.digits
    case 'boolean':
      return String(content.value)
    case 'missing':
      throw failed(state, offset, missingWords(state, content.name))
    case 'null':
      throw failed(state, offset, words`the JSON value is null; default "…" gives another`)
    default:
      throw failed(state, offset, words`found several values, expected one: json or yaml writes them all`)
  }
}

function missingWords({ files }: State, name: Quotable | undefined): Words {
  const what = name === undefined ? words`nothing with the name that was computed` : words`no "${cut(name)}"`
  return words`there is ${what}${hintAt(name, files.names)} (for one that may be absent: if, or default "…")`
}

function hintAt(name: Quotable | undefined, names: readonly Quotable[]): Words {
  const near = name === undefined ? undefined : nearestName(name, names)
  return near === undefined ? words`` : words`; did you mean ${near}?`
}

function evaluate(state: State, pipeline: Pipeline, scope: Scope): TemplateValue {
  let result: TemplateValue | undefined
  for (const command of pipeline) {
    spend(state, command.offset, 1)
    result =
      command.kind === 'operand'
        ? operandValue(state, command.operand, scope)
        : call(state, command, [
            ...command.args.map((operand) => operandValue(state, operand, scope)),
            ...(result === undefined ? [] : [result]),
          ])
  }
  return result ?? TemplateValue.null
}

function call(
  state: State,
  { name, offset }: Command & { kind: 'call' },
  args: readonly TemplateValue[],
): TemplateValue {
  if (name === 'index') return indexOf(state, offset, args)
  if (name === 'selected') return selectedSet(state, offset, nameIn(state, offset, args[0]))
  if (name === 'default') {
    const [other = TemplateValue.null, value = TemplateValue.null] = args
    return isTrue(state, offset, value) ? value : other
  }
  const row: FunctionRow = templateFunctions[name as string as keyof typeof templateFunctions]
  const context = {
    text(value: TemplateValue) {
      const bytes = printed(state, offset, value)
      spendBytes(state, offset, bytes.length)
      return bytes
    },
    spend: (bytes: number) => spendBytes(state, offset, bytes),
  }
  try {
    const result = row.call?.(context, ...args) ?? TemplateValue.null
    const content = result.revealContent()
    if (content.kind === 'text') spendBytes(state, offset, content.bytes.length)
    return result
  } catch (error) {
    if (error instanceof FunctionFault) throw failed(state, offset, words`${name}: ${error.words}`)
    throw error
  }
}

/** A name that a template asks for. */
interface Name {
  text: string
  /** What a message calls it; undefined for a name that was computed, as it may hold a value. */
  quote: Quotable | undefined
}

function nameIn(state: State, offset: number, value: TemplateValue | undefined): Name {
  const content = value?.revealContent()
  if (content?.kind === 'text') return nameOf(state, offset, content.bytes, value?.literal)
  throw failed(state, offset, words`expected a name in quotes`)
}

/** The length is checked first: a name may be a text of any size. */
function nameOf(state: State, offset: number, bytes: string, quote: Quotable | undefined): Name {
  const { value } = templateLimits.templateNameBytes
  if (bytes.length > value) throw failed(state, offset, words`expected a name of at most ${value} bytes`)
  spendBytes(state, offset, bytes.length)
  return { text: fromBytes(bytes), quote }
}

function indexOf(state: State, offset: number, args: readonly TemplateValue[]): TemplateValue {
  const [first, ...keys] = args
  if (keys.length === 0) return fileNamed(state, offset, nameIn(state, offset, first))
  return keys.reduce<TemplateValue>((within, key) => entryOf(state, offset, within, key), first ?? TemplateValue.null)
}

function entryOf(state: State, offset: number, within: TemplateValue, key: TemplateValue): TemplateValue {
  const [content, wanted] = [within.revealContent(), key.revealContent()]
  if (content.kind === 'list' && wanted.kind === 'number') {
    spendBytes(state, offset, wanted.digits.length)
    return content.items[Number(wanted.digits)] ?? TemplateValue.missing(key.literal)
  }
  const name = nameIn(state, offset, key)
  if (content.kind === 'files') return fileNamed(state, offset, name)
  if (content.kind === 'map') return content.entries.get(name.text) ?? TemplateValue.missing(name.quote)
  if (content.kind === 'missing') return within
  throw failed(state, offset, words`index expects a set, or a list or map of fromJson`)
}

/** The contents of a file, or that it is missing: either is what the result depends on. */
function fileNamed(state: State, offset: number, { text, quote }: Name): TemplateValue {
  const { files, used } = state
  const contents = files.read(text)
  // A computed name of no file may be a value; what it was computed from is used already.
  if (contents !== undefined || quote !== undefined) used.add(text)
  if (contents === undefined) return TemplateValue.missing(quote)
  spendBytes(state, offset, contents.size)
  return TemplateValue.ofSecret(contents)
}

function selectedSet(state: State, offset: number, { text, quote }: Name): TemplateValue {
  const { files, used } = state
  const names = files.sets.get(text)
  if (names === undefined) {
    const what = quote === undefined ? words`the name that was computed` : words`name: ${cut(quote)}`
    throw failed(state, offset, words`the class has no select with ${what}${hintAt(quote, files.setNames)}`)
  }
  spend(state, offset, names.length)
  const entries = names.map((name) => {
    used.add(name)
    const contents = files.read(name)
    spendBytes(state, offset, contents?.size ?? 0)
    const value = contents === undefined ? TemplateValue.missing(quotableText(name)) : TemplateValue.ofSecret(contents)
    return [name, value] as const
  })
  return TemplateValue.ofMap(entries)
}

function operandValue(state: State, operand: Operand, scope: Scope): TemplateValue {
  spend(state, operand.offset, 1)
  switch (operand.kind) {
    case 'text':
      spendBytes(state, operand.offset, printed(state, operand.offset, operand.value).length)
      return operand.value
    case 'number':
      return operand.value
    case 'boolean':
      return TemplateValue.ofBoolean(operand.value)
    case 'dot':
      return fieldsOf(state, operand, scope.dot)
    case 'variable':
      return fieldsOf(
        state,
        operand,
        operand.variable === ''
          ? TemplateValue.files
          : (scope.variables.get(operand.variable) ?? TemplateValue.missing(operand.variable)),
      )
    default:
      return fieldsOf(state, operand, evaluate(state, operand.pipeline, scope))
  }
}

function fieldsOf(
  state: State,
  { fields, offset }: { fields: readonly Quotable[]; offset: number },
  start: TemplateValue,
): TemplateValue {
  return fields.reduce<TemplateValue>((value, field) => {
    spend(state, offset, 1)
    const content = value.revealContent()
    if (content.kind === 'files') return fileOfField(state, offset, field)
    if (content.kind === 'map') return content.entries.get(field) ?? TemplateValue.missing(field)
    if (content.kind === 'missing') return value
    throw failed(state, offset, words`.${cut(field)} is asked of a single value, which has no members`)
  }, start)
}

function fileOfField(state: State, offset: number, field: Quotable): TemplateValue {
  const { files } = state
  const names = files.read(field) !== undefined ? [field] : (files.byField.get(field) ?? [])
  if (names.length > 1) {
    const list = names.slice(0, 5).map((name) => words`index "${name}"`)
    const either = list.reduce((all, one) => words`${all} or ${one}`)
    throw failed(state, offset, words`.${cut(field)} can be each of several files; use ${either}`)
  }
  const name = names[0] ?? field
  return fileNamed(state, offset, { text: name, quote: name })
}
