/** Splits TypeScript into what people read in it, comments, strings and the words of identifiers, and into its regular expressions. */

export interface Prose {
  /** Offset of `text` in the file. */
  offset: number
  text: string
}

interface Token {
  kind: 'comment' | 'string' | 'identifier' | 'expression'
  offset: number
  text: string
}

/** Comments, with those of neighbouring lines as one; strings, and the fixed text of templates. */
export function proseOf(text: string): Prose[] {
  const found: Prose[] = []
  let previous: Token | undefined
  for (const token of tokensOf(text)) {
    if (token.kind === 'identifier') continue
    const last = found.at(-1)
    const end = (last?.offset ?? 0) + (last?.text.length ?? 0)
    const continues =
      token.kind === 'comment' && previous?.kind === 'comment' && text.slice(end, token.offset).trim() === ''
    if (last !== undefined && continues) last.text = text.slice(last.offset, token.offset + token.text.length)
    else found.push({ offset: token.offset, text: token.text })
    previous = token
  }
  return found
}

/** Regular expressions as they are written, slashes and flags included. */
export function expressionsOf(text: string): Prose[] {
  return [...tokensOf(text)]
    .filter(({ kind }) => kind === 'expression')
    .map(({ offset, text: literal }) => ({ offset, text: literal }))
}

/** Offset in a text → line, from 1. */
export function lineFinder(text: string): (offset: number) => number {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)]
  return (offset) => starts.findLastIndex((start) => start <= offset) + 1
}

/** Each word of each identifier in lower case: `knownClass` has `known` and `class`. */
export function wordsOf(text: string): { offset: number; word: string; identifier: string }[] {
  return [...tokensOf(text)]
    .filter(({ kind }) => kind === 'identifier')
    .flatMap(({ offset, text: identifier }) =>
      [...identifier.matchAll(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g)].map(([word]) => ({
        offset,
        word: word.toLowerCase(),
        identifier,
      })),
    )
}

/** A slash after one of these starts a regular expression instead of a division. */
const beforeValue = /(?:[([{},;:=!&|?+*%<>~^-]|=>|\b(?:return|typeof|case|in|of|throw|await|yield|void))\s*$/

function* tokensOf(text: string): Generator<Token> {
  const word = /[A-Za-z_$][\w$]*/y
  const flags = /[a-z]*/y
  /** Depth of braces at which a template's text goes on. */
  const templates: number[] = []
  let depth = 0
  let at = 0
  while (at < text.length) {
    const two = text.slice(at, at + 2)
    const character = text[at] ?? ''
    let end = at + 1
    if (two === '//') {
      end = indexOrEnd(text, '\n', at)
      yield { kind: 'comment', offset: at, text: text.slice(at, end) }
    } else if (two === '/*') {
      end = indexOrEnd(text, '*/', at + 2) + 2
      yield { kind: 'comment', offset: at, text: text.slice(at, end) }
    } else if (character === "'" || character === '"') {
      end = endOfString(text, at, character)
      yield { kind: 'string', offset: at + 1, text: text.slice(at + 1, end - 1) }
    } else if (character === '`' || (character === '}' && templates.at(-1) === depth)) {
      if (character === '}') templates.pop()
      end = endOfTemplateText(text, at + 1)
      yield { kind: 'string', offset: at + 1, text: text.slice(at + 1, end) }
      if (text[end] === '`') end += 1
      else {
        end += 2
        templates.push(depth)
      }
    } else if (character === '/' && beforeValue.test(text.slice(Math.max(0, at - 40), at))) {
      end = endOfExpression(text, at + 1)
      flags.lastIndex = end
      end += flags.exec(text)?.[0].length ?? 0
      yield { kind: 'expression', offset: at, text: text.slice(at, end) }
    } else if (/[A-Za-z_$]/.test(character)) {
      word.lastIndex = at
      const found = word.exec(text)?.[0] ?? character
      end = at + found.length
      yield { kind: 'identifier', offset: at, text: found }
    } else if (character === '{') depth += 1
    else if (character === '}') depth -= 1
    at = end
  }
}

function indexOrEnd(text: string, wanted: string, from: number): number {
  const index = text.indexOf(wanted, from)
  return index === -1 ? text.length : index
}

/** Offset behind the closing quote. */
function endOfString(text: string, start: number, quote: string): number {
  let at = start + 1
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Offset of the backtick or of the `${` that ends this text. */
function endOfTemplateText(text: string, start: number): number {
  let at = start
  while (at < text.length && text[at] !== '`' && text.slice(at, at + 2) !== '${') at += text[at] === '\\' ? 2 : 1
  return at
}

/** Offset behind the closing slash. */
function endOfExpression(text: string, start: number): number {
  let inClass = false
  let at = start
  while (at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true
    if (text[at] === ']') inClass = false
    at += text[at] === '\\' ? 2 : 1
  }
  return at + 1
}
