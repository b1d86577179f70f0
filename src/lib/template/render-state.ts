import { withUnit } from '#lib'
import type { Template } from './template-ast.ts'
import { positionAt, TemplateError } from './template-error.ts'
import type { TemplateFiles } from './template-files.ts'
import { templateLimits } from './template-limits.ts'
import type { TemplateValue } from './template-value.ts'
import { type Quotable, quotableText, type Words, words } from './template-words.ts'

/** A template that is being filled in, and what that has taken. */
export interface RenderState {
  template: Template
  files: TemplateFiles
  steps: number
  written: number
  /** Output: each character is a byte. */
  chunks: string[]
  used: Set<string>
}

/** What `.` and the variables are at a place of the template. */
export interface Scope {
  dot: TemplateValue
  variables: ReadonlyMap<string, TemplateValue>
}

/** Adds to the output. */
export function write(state: RenderState, offset: number, bytes: string): void {
  state.written += bytes.length
  const { value } = templateLimits.templateOutputBytes
  if (state.written > value)
    throw failed(state, offset, words`the template writes more than the ${limitText(value, 'bytes')} it may write`)
  spendBytes(state, offset, bytes.length)
  state.chunks.push(bytes)
}

/** What texts take, by their length. */
export function spendBytes(state: RenderState, offset: number, bytes: number): void {
  spend(state, offset, bytes / 1024)
}

/** Throws when the template has taken all its steps. */
export function spend(state: RenderState, offset: number, steps: number): void {
  state.steps += steps
  const { value } = templateLimits.templateSteps
  if (state.steps > value)
    throw failed(state, offset, words`the template takes more than the ${limitText(value, 'count')} steps it may take`)
}

function limitText(value: number, unit: 'count' | 'bytes'): Quotable {
  return quotableText(withUnit(value, unit))
}

/** What is wrong at a place of the template, for `throw`. */
export function failed({ template }: RenderState, offset: number, reason: Words): TemplateError {
  return new TemplateError('template-failed', positionAt(template.text, offset), reason)
}
