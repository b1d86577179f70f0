import type { TemplateValue } from './template-value.ts'
import type { Quotable } from './template-words.ts'

/** A template, parsed. Offsets are into its text, for the positions of errors. */
export interface Template {
  text: string
  body: readonly TemplateNode[]
}

export type TemplateNode =
  /** Each character is a byte. */
  | { kind: 'text'; bytes: string; offset: number }
  | { kind: 'output'; pipeline: Pipeline; offset: number }
  | { kind: 'if'; branches: readonly Branch[]; otherwise: readonly TemplateNode[]; offset: number }
  | { kind: 'range'; range: Range; offset: number }

export interface Branch {
  condition: Pipeline
  body: readonly TemplateNode[]
}

export interface Range {
  pipeline: Pipeline
  /** Name of the variable of the index or key; undefined for none. */
  key: string | undefined
  value: string | undefined
  body: readonly TemplateNode[]
  otherwise: readonly TemplateNode[]
}

/** Commands separated by `|`: each gets the result of the one before it as its last argument. */
export type Pipeline = readonly Command[]

export type Command =
  | { kind: 'operand'; operand: Operand; offset: number }
  | { kind: 'call'; name: Quotable; args: readonly Operand[]; offset: number }

export type Operand =
  | { kind: 'text'; text: Quotable; value: TemplateValue; offset: number }
  | { kind: 'number'; value: TemplateValue; offset: number }
  | { kind: 'boolean'; value: boolean; offset: number }
  /** `.a.b` (fields of dot), `$.a` (of the volume: `variable` is empty), `$v.a`. */
  | { kind: 'dot'; fields: readonly Quotable[]; offset: number }
  | { kind: 'variable'; variable: Quotable; fields: readonly Quotable[]; offset: number }
  | { kind: 'pipeline'; pipeline: Pipeline; fields: readonly Quotable[]; offset: number }
