declare const quotable: unique symbol

/** Text that a message may quote: written in a template, or the name of a file or set. Never a value, nor made of one. */
export type Quotable = string & { readonly [quotable]: true }

/** The one way to such a text, so that a search for `quotableText` lists every use. */
export function quotableText(text: string): Quotable {
  return text as Quotable
}

/** What a message quotes of a name, which may be of any length. */
export function cut(name: Quotable): Quotable {
  return name.slice(0, 100) as Quotable
}

/** The words of a message, see `words`. */
export class Words {
  readonly #text: string

  /** @param parts the fixed texts of the source */
  constructor(parts: TemplateStringsArray, inserts: readonly (Quotable | number | Words)[]) {
    this.#text = String.raw({ raw: parts }, ...inserts)
  }

  toString(): string {
    return this.#text
  }
}

/** A message of fixed words, numbers and quotable texts. Its type is why no value of a template can get into a message. */
export function words(parts: TemplateStringsArray, ...inserts: readonly (Quotable | number | Words)[]): Words {
  return new Words(parts, inserts)
}
