import { beyondLimit } from '#lib'
import { positionAt, TemplateError } from './template-error.ts'
import { templateLimits } from './template-limits.ts'
import { type Quotable, quotableText, words } from './template-words.ts'

export type Token =
  | { kind: 'text'; text: string; offset: number }
  | { kind: 'action'; tokens: readonly ActionToken[]; offset: number }

export interface ActionToken {
  kind: 'field' | 'variable' | 'word' | 'string' | 'number' | 'symbol'
  /** The name without its dot or dollar, the string's content, the digits, the symbol. */
  text: Quotable
  offset: number
  /** Whether a blank comes before it: `.a.b` is one operand, `.a .b` are two. */
  spaced: boolean
}

/** What may still be made of the templates of one author. */
export interface TemplateBudget {
  tokens: number
}

export function templateBudget(): TemplateBudget {
  return { tokens: templateLimits.templateTokens.value }
}

function spendToken(budget: TemplateBudget, text: string, offset: number): void {
  const { templateTokens } = templateLimits
  if (--budget.tokens < 0) throw invalid(text, offset, beyondLimit(templateTokens, templateTokens.value + 1))
}

/** Cuts a template into texts and actions, trim markers applied and comments left out. Takes time in proportion to the text. */
export function* tokensOf(text: string, budget: TemplateBudget): Generator<Token> {
  let from = 0
  let trimStart = false
  while (from < text.length) {
    const open = text.indexOf('{{', from)
    const end = open < 0 ? text.length : open
    const trimEnd = open >= 0 && text[open + 2] === '-' && isBlank(text[open + 3])
    spendToken(budget, text, from)
    const between = trimmed(text.slice(from, end), trimStart, trimEnd)
    if (between !== '') yield { kind: 'text', text: between, offset: from }
    if (open < 0) return
    const action = scanAction(text, open, open + (trimEnd ? 3 : 2), budget)
    if (action.tokens !== undefined) yield { kind: 'action', tokens: action.tokens, offset: open }
    from = action.end
    trimStart = action.trim
  }
}

function invalid(text: string, offset: number, reason: string): TemplateError {
  return new TemplateError('template-invalid', positionAt(text, offset), words`${quotableText(reason)}`)
}

interface ScannedAction {
  /** Undefined for a comment. */
  tokens: readonly ActionToken[] | undefined
  /** Offset behind the closing braces. */
  end: number
  /** Whether the text after it loses its leading blanks. */
  trim: boolean
}

function scanAction(text: string, open: number, start: number, budget: TemplateBudget): ScannedAction {
  const from = skipBlanks(text, start)
  if (text.startsWith('/*', from)) return scanComment(text, from)
  const tokens: ActionToken[] = []
  let at = start
  for (;;) {
    const next = skipBlanks(text, at)
    if (next >= text.length) throw invalid(text, open, 'the action has no end: expected }}')
    const spaced = next > at
    const close = closing(text, next, spaced)
    if (close !== undefined) return { tokens, ...close }
    spendToken(budget, text, next)
    const token = scanToken(text, next)
    tokens.push({ kind: token.kind, text: quotableText(token.text), offset: next, spaced })
    at = token.end
  }
}

function scanComment(text: string, from: number): ScannedAction {
  const end = text.indexOf('*/', from + 2)
  if (end < 0) throw invalid(text, from, 'the comment has no end: expected */}}')
  const behind = skipBlanks(text, end + 2)
  const close = closing(text, behind, behind > end + 2)
  if (close === undefined || (behind > end + 2 && !close.trim))
    throw invalid(text, from, 'a comment is an action of its own: expected }} after */')
  return { tokens: undefined, ...close }
}

function closing(text: string, at: number, spaced: boolean): { end: number; trim: boolean } | undefined {
  if (text.startsWith('}}', at)) return { end: at + 2, trim: false }
  return spaced && text.startsWith('-}}', at) ? { end: at + 3, trim: true } : undefined
}

interface Scanned {
  kind: ActionToken['kind']
  text: string
  end: number
}

const name = /[\p{L}_][\p{L}\p{N}_]*/uy
const number = /[+-]?\d{1,15}(?![\p{L}\p{N}_.])/uy

function scanToken(text: string, at: number): Scanned {
  const character = text[at] ?? ''
  switch (character) {
    case '"':
      return scanQuoted(text, at)
    case '`': {
      const end = text.indexOf('`', at + 1)
      if (end < 0) throw invalid(text, at, 'the text has no end: expected `')
      return { kind: 'string', text: text.slice(at + 1, end), end: end + 1 }
    }
    case '.':
    case '$': {
      const found = matched(name, text, at + 1)
      return { kind: character === '.' ? 'field' : 'variable', text: found, end: at + 1 + found.length }
    }
    case ':':
      if (text[at + 1] !== '=') break
      return { kind: 'symbol', text: ':=', end: at + 2 }
    case '|':
    case '(':
    case ')':
    case ',':
      return { kind: 'symbol', text: character, end: at + 1 }
    default: {
      const word = matched(name, text, at)
      if (word !== '') return { kind: 'word', text: word, end: at + word.length }
      const digits = matched(number, text, at)
      if (digits !== '') return { kind: 'number', text: digits, end: at + digits.length }
    }
  }
  throw invalid(text, at, 'expected a name such as .db_url, a text in quotes, a number, a function, | or }}')
}

function matched(expression: RegExp, text: string, at: number): string {
  expression.lastIndex = at
  return expression.exec(text)?.[0] ?? ''
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '"': '"',
}

/** A text of Go in double quotes. https://go.dev/ref/spec#String_literals; `\x` and octal escapes, which name bytes, are left out. */
function scanQuoted(text: string, start: number): Scanned {
  let value = ''
  let at = start + 1
  for (;;) {
    const character = text[at]
    if (character === undefined || character === '\n') throw invalid(text, start, 'the text has no end: expected "')
    if (character === '"') return { kind: 'string', text: value, end: at + 1 }
    if (character !== '\\') {
      value += character
      at++
      continue
    }
    const kind = text[at + 1] ?? ''
    const digits = kind === 'u' ? 4 : kind === 'U' ? 8 : 0
    const hex = text.slice(at + 2, at + 2 + digits)
    const code = digits > 0 && /^[0-9a-fA-F]+$/.test(hex) && hex.length === digits ? Number.parseInt(hex, 16) : -1
    const plain = escapes[kind]
    if (plain !== undefined) value += plain
    else if (code >= 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)) value += String.fromCodePoint(code)
    else throw invalid(text, at, 'expected one of \\a \\b \\f \\n \\r \\t \\v \\\\ \\" \\u0000 \\U00000000')
    at += 2 + digits
  }
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t' || character === '\r' || character === '\n'
}

function skipBlanks(text: string, from: number): number {
  let at = from
  while (isBlank(text[at])) at++
  return at
}

function trimmed(text: string, start: boolean, end: boolean): string {
  let from = 0
  let to = text.length
  if (start) from = skipBlanks(text, 0)
  if (end) while (to > from && isBlank(text[to - 1])) to--
  return text.slice(from, to)
}
