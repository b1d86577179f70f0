/** A value of Bicep or of Terraform's language; {@link Expression} for an expression. */
export type CodeValue =
  | string
  | number
  | boolean
  | Expression
  | readonly CodeValue[]
  | { readonly [name: string]: CodeValue | undefined }

/** An expression that is printed as it is. */
export class Expression {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export function expression(text: string): Expression {
  return new Expression(text)
}

export function isList(value: object): value is readonly CodeValue[] {
  return Array.isArray(value)
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' }

/** The inside of a literal between two `quote`. @param unicode the escape of a character by its code in hexadecimal digits. */
export function escapeText(text: string, quote: string, unicode: (hex: string) => string): string {
  return text
    .replaceAll(/[\n\r\t\\]/g, (character) => escapes[character] ?? '')
    .replaceAll(quote, `\\${quote}`)
    .replaceAll(/\p{Cc}/gu, (character) => unicode(character.codePointAt(0)?.toString(16) ?? ''))
}

/** A file: its parts with an empty line between. */
export function codeFile(...parts: readonly string[]): string {
  return `${parts.join('\n\n')}\n`
}
