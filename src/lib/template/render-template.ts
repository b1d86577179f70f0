import { nearestName, type SecretValue, withUnit } from '#lib'
import { FunctionFault, type FunctionRow, templateFunctions } from './functions.ts'
import type { Command, Operand, Pipeline, Range, Template, TemplateNode } from './template-ast.ts'
import { positionAt, TemplateError } from './template-error.ts'
import { fieldOf } from './template-field.ts'
import type { TemplateFiles } from './template-files.ts'
import { templateLimits } from './template-limits.ts'
import { fromBytes, secretOf, TemplateValue, toBytes } from './template-value.ts'

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

function failed({ template }: State, offset: number, reason: string): TemplateError {
  return new TemplateError('template-failed', positionAt(template.text, offset), reason)
}

function spend(state: State, offset: number, steps: number): void {
  state.steps += steps
  const { value } = templateLimits.templateSteps
  if (state.steps > value)
    throw failed(state, offset, `the template takes more than the ${withUnit(value, 'count')} steps it may take`)
}

function spendBytes(state: State, offset: number, bytes: number): void {
  spend(state, offset, bytes / 1024)
}

function write(state: State, offset: number, bytes: string): void {
  state.written += bytes.length
  const { value } = templateLimits.templateOutputBytes
  if (state.written > value)
    throw failed(state, offset, `the template writes more than the ${withUnit(value, 'bytes')} it may write`)
  spendBytes(state, offset, bytes.length)
  state.chunks.push(bytes)
}

function renderBody(state: State, nodes: readonly TemplateNode[], scope: Scope): void {
  for (const node of nodes) {
    spend(state, node.offset, 1)
    switch (node.kind) {
      case 'text':
        write(state, node.offset, toBytes(node.text))
        break
      case 'output':
        write(state, node.offset, printed(state, node.offset, evaluate(state, node.pipeline, scope)))
        break
      case 'if': {
        const branch = node.branches.find(({ condition }) => isTrue(evaluate(state, condition, scope)))
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
      throw failed(state, offset, 'a range goes over a set (selected "NAME"), or a list or map of fromJson')
  }
}

/** As Go: what is empty or 0 is false, and so is what is not there. */
function isTrue(value: TemplateValue): boolean {
  const content = value.revealContent()
  switch (content.kind) {
    case 'text':
      return content.bytes !== ''
    case 'number':
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
      throw failed(state, offset, 'the JSON value is null; default "…" gives another')
    default:
      throw failed(state, offset, 'found several values, expected one: json or yaml writes them all')
  }
}

function missingWords({ files }: State, name: string): string {
  const near = nearestName(name, [...files.names, ...files.names.map(fieldOf)])
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  return `there is no "${name}"${hint} (for one that may be absent: if, or default "…")`
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
    return isTrue(value) ? value : other
  }
  const row: FunctionRow = templateFunctions[name as keyof typeof templateFunctions]
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
    if (error instanceof FunctionFault) throw failed(state, offset, `${name}: ${error.message}`)
    throw error
  }
}

function nameIn(state: State, offset: number, value: TemplateValue | undefined): string {
  const content = value?.revealContent()
  if (content?.kind === 'text') return fromBytes(content.bytes).slice(0, maxName)
  throw failed(state, offset, 'expected a name in quotes')
}

/** Longer names are of no file. */
const maxName = 4096

function indexOf(state: State, offset: number, args: readonly TemplateValue[]): TemplateValue {
  const [first, ...keys] = args
  if (keys.length === 0) return fileNamed(state, nameIn(state, offset, first))
  return keys.reduce<TemplateValue>((within, key) => entryOf(state, offset, within, key), first ?? TemplateValue.null)
}

function entryOf(state: State, offset: number, within: TemplateValue, key: TemplateValue): TemplateValue {
  const [content, wanted] = [within.revealContent(), key.revealContent()]
  if (content.kind === 'list' && wanted.kind === 'number')
    return content.items[Number(wanted.digits)] ?? TemplateValue.missing(wanted.digits)
  const name = nameIn(state, offset, key)
  if (content.kind === 'files') return fileNamed(state, name)
  if (content.kind === 'map') return content.entries.get(name) ?? TemplateValue.missing(name)
  if (content.kind === 'missing') return within
  throw failed(state, offset, 'index expects a set, or a list or map of fromJson')
}

/** The contents of a file, or that it is missing: either is what the result depends on. */
function fileNamed({ files, used }: State, name: string): TemplateValue {
  used.add(name)
  const contents = files.read(name)
  return contents === undefined ? TemplateValue.missing(name) : TemplateValue.ofSecret(contents)
}

function selectedSet(state: State, offset: number, set: string): TemplateValue {
  const { files, used } = state
  const names = files.sets.get(set)
  if (names === undefined) {
    const near = nearestName(set, [...files.sets.keys()])
    const hint = near === undefined ? '' : `; did you mean ${near}?`
    throw failed(state, offset, `the class has no select with name: ${set.slice(0, 100)}${hint}`)
  }
  spend(state, offset, names.length)
  const entries = names.map((name) => {
    used.add(name)
    const contents = files.read(name)
    spendBytes(state, offset, contents?.size ?? 0)
    return [name, contents === undefined ? TemplateValue.missing(name) : TemplateValue.ofSecret(contents)] as const
  })
  return TemplateValue.ofMap(entries)
}

function operandValue(state: State, operand: Operand, scope: Scope): TemplateValue {
  spend(state, operand.offset, 1)
  switch (operand.kind) {
    case 'text':
      return TemplateValue.ofText(operand.text)
    case 'number':
      return TemplateValue.ofNumber(String(Number(operand.text)))
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
  { fields, offset }: { fields: readonly string[]; offset: number },
  start: TemplateValue,
): TemplateValue {
  return fields.reduce<TemplateValue>((value, field) => {
    spend(state, offset, 1)
    const content = value.revealContent()
    if (content.kind === 'files') return fileOfField(state, offset, field)
    if (content.kind === 'map') return content.entries.get(field) ?? TemplateValue.missing(field)
    if (content.kind === 'missing') return value
    throw failed(state, offset, `.${field.slice(0, 100)} is asked of a single value, which has no members`)
  }, start)
}

function fileOfField(state: State, offset: number, field: string): TemplateValue {
  const { files } = state
  const names = files.read(field) !== undefined ? [field] : (files.byField.get(field) ?? [])
  if (names.length > 1) {
    const list = names.slice(0, 5).map((name) => `index "${name}"`)
    throw failed(state, offset, `.${field.slice(0, 100)} can be each of several files; use ${list.join(' or ')}`)
  }
  return fileNamed(state, names[0] ?? field)
}
