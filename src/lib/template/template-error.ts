import { CodedError } from '#lib'
import type { Words } from './template-words.ts'

/** Where in the text of a template: both count from 1. */
export interface TemplatePosition {
  line: number
  /** In characters. */
  column: number
}

/** `template-invalid`: the text is not a template. `template-failed`: it cannot be filled in. */
export type TemplateErrorCode = 'template-invalid' | 'template-failed'

/** What is wrong with a template. The message names the position and never quotes a value or the text around it. */
export class TemplateError extends CodedError<TemplateErrorCode> {
  readonly position: TemplatePosition

  constructor(code: TemplateErrorCode, position: TemplatePosition, reason: Words) {
    super(code, `line ${position.line}, column ${position.column}: ${reason}`)
    this.position = position
  }
}

export function positionAt(text: string, offset: number): TemplatePosition {
  return positionsIn(text)(offset)
}

/** The positions of offsets that only grow from call to call, in time in proportion to the text for all of them. */
export function positionsIn(text: string): (offset: number) => TemplatePosition {
  let line = 1
  let start = 0
  return (offset) => {
    for (let end = text.indexOf('\n', start); end >= 0 && end < offset; end = text.indexOf('\n', start)) {
      line++
      start = end + 1
    }
    return { line, column: offset - start + 1 }
  }
}
