import { nearestName } from '#lib'
import { FunctionFault, type FunctionRow, templateFunctions } from './functions.ts'
import { failed, type RenderState, type Scope, spend, spendBytes } from './render-state.ts'
import type { Command, Operand, Pipeline } from './template-ast.ts'
import { templateLimits } from './template-limits.ts'
import { fromBytes, TemplateValue } from './template-value.ts'
import { cut, type Quotable, quotableText, type Words, words } from './template-words.ts'

/** The value of a pipeline. Throws `TemplateError`. */
export function evaluate(state: RenderState, pipeline: Pipeline, scope: Scope): TemplateValue {
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
  state: RenderState,
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

function nameIn(state: RenderState, offset: number, value: TemplateValue | undefined): Name {
  const content = value?.revealContent()
  if (content?.kind === 'text') return nameOf(state, offset, content.bytes, value?.literal)
  throw failed(state, offset, words`expected a name in quotes`)
}

/** The length is checked first: a name may be a text of any size. */
function nameOf(state: RenderState, offset: number, bytes: string, quote: Quotable | undefined): Name {
  const { value } = templateLimits.templateNameBytes
  if (bytes.length > value) throw failed(state, offset, words`expected a name of at most ${value} bytes`)
  spendBytes(state, offset, bytes.length)
  return { text: fromBytes(bytes), quote }
}

function indexOf(state: RenderState, offset: number, args: readonly TemplateValue[]): TemplateValue {
  const [first, ...keys] = args
  if (keys.length === 0) return fileNamed(state, offset, nameIn(state, offset, first))
  return keys.reduce<TemplateValue>((within, key) => entryOf(state, offset, within, key), first ?? TemplateValue.null)
}

function entryOf(state: RenderState, offset: number, within: TemplateValue, key: TemplateValue): TemplateValue {
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
function fileNamed(state: RenderState, offset: number, { text, quote }: Name): TemplateValue {
  const { files, used } = state
  const contents = files.read(text)
  // A computed name of no file may be a value; what it was computed from is used already.
  if (contents !== undefined || quote !== undefined) used.add(text)
  if (contents === undefined) return TemplateValue.missing(quote)
  spendBytes(state, offset, contents.size)
  return TemplateValue.ofSecret(contents)
}

function selectedSet(state: RenderState, offset: number, { text, quote }: Name): TemplateValue {
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

function operandValue(state: RenderState, operand: Operand, scope: Scope): TemplateValue {
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
  state: RenderState,
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

function fileOfField(state: RenderState, offset: number, field: Quotable): TemplateValue {
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

/** As Go: what is empty or 0 is false, and so is what is not there. */
export function isTrue(state: RenderState, offset: number, value: TemplateValue): boolean {
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

export function printed(state: RenderState, offset: number, value: TemplateValue): string {
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

function missingWords({ files }: RenderState, name: Quotable | undefined): Words {
  const what = name === undefined ? words`nothing with the name that was computed` : words`no "${cut(name)}"`
  return words`there is ${what}${hintAt(name, files.names)} (for one that may be absent: if, or default "…")`
}

function hintAt(name: Quotable | undefined, names: readonly Quotable[]): Words {
  const near = name === undefined ? undefined : nearestName(name, names)
  return near === undefined ? words`` : words`; did you mean ${near}?`
}
