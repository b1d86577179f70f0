import type { TemplateValue } from './template-value.ts'

/** A value of a list or map takes about as long as so many bytes of a text. */
export const bytesOfValue = 50

/** What a function of templates may do. */
export interface FunctionContext {
  /** The bytes of a text, or of a number or boolean as text; throws for anything else. Counts as work. */
  text(value: TemplateValue): string
  /** Counts the bytes that a function is about to write. */
  spend(bytes: number): void
}
