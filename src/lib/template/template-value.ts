import { SecretValue, Unprintable } from '#lib'
import type { Quotable } from './template-words.ts'

/**
 * Texts are strings of bytes, as Go's are: each character is one byte (Latin-1), so a file that is not UTF-8 passes through
 * unchanged, and a text takes as much memory as its file.
 */
type Content =
  | { kind: 'text'; bytes: string }
  /** As written. */
  | { kind: 'number'; digits: string }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'null' }
  /** Something that is not there; `name` is what the template calls it, undefined for a name that was computed. */
  | { kind: 'missing'; name: Quotable | undefined }
  | { kind: 'list'; items: readonly TemplateValue[] }
  /** In the order of their names. */
  | { kind: 'map'; entries: ReadonlyMap<string, TemplateValue> }
  | { kind: 'files' }

/** A value in the evaluation of a template: a secret, or made of secrets. */
export class TemplateValue extends Unprintable {
  readonly #content: Content
  /** The text or number as the template has it: the one part of a value that a message may quote. Undefined for all that was computed. */
  readonly literal: Quotable | undefined

  private constructor(content: Content, literal?: Quotable) {
    super()
    this.#content = content
    this.literal = literal
  }

  /** A text that the template itself has. */
  static ofLiteral(text: Quotable): TemplateValue {
    return new TemplateValue({ kind: 'text', bytes: toBytes(text) }, text)
  }

  /** A number that the template itself has. */
  static ofLiteralNumber(digits: Quotable): TemplateValue {
    return new TemplateValue({ kind: 'number', digits }, digits)
  }

  static ofSecret(value: SecretValue): TemplateValue {
    const bytes = value.reveal()
    return TemplateValue.ofBytes(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
  }

  /** @param bytes each character is a byte */
  static ofBytes(bytes: string): TemplateValue {
    return new TemplateValue({ kind: 'text', bytes })
  }

  static ofText(text: string): TemplateValue {
    return TemplateValue.ofBytes(toBytes(text))
  }

  static ofNumber(digits: string): TemplateValue {
    return new TemplateValue({ kind: 'number', digits })
  }

  static ofBoolean(value: boolean): TemplateValue {
    return new TemplateValue({ kind: 'boolean', value })
  }

  static ofList(items: readonly TemplateValue[]): TemplateValue {
    return new TemplateValue({ kind: 'list', items })
  }

  static ofMap(entries: Iterable<readonly [string, TemplateValue]>): TemplateValue {
    const sorted = [...entries].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return new TemplateValue({ kind: 'map', entries: new Map(sorted) })
  }

  static missing(name: Quotable | undefined): TemplateValue {
    return new TemplateValue({ kind: 'missing', name })
  }

  static readonly null = new TemplateValue({ kind: 'null' })
  /** All files of the volume: dot outside of a range. */
  static readonly files = new TemplateValue({ kind: 'files' })

  /** What is in it; the one way out, so that a search for `.revealContent` lists every use. */
  revealContent(): Content {
    return this.#content
  }
}

/** The characters of a text as bytes of UTF-8, one a character. */
export function toBytes(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** The text of bytes of UTF-8; what is not UTF-8 becomes U+FFFD. */
export function fromBytes(bytes: string): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8')
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false
  return true
}

export function secretOf(bytes: string): SecretValue {
  return SecretValue.of(Buffer.from(bytes, 'latin1'))
}
