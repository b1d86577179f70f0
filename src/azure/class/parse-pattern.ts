import { beyondLimit } from '#lib'
import { classLimits } from './class-limits.ts'

/** What is wrong with a pattern. */
export class PatternFault extends Error {}

export type Tree =
  | { kind: 'empty' }
  | { kind: 'start' }
  | { kind: 'end' }
  | { kind: 'letter'; taken: Letters }
  | { kind: 'sequence'; parts: readonly Tree[] }
  | { kind: 'alternatives'; parts: readonly Tree[] }
  | { kind: 'repeat'; part: Tree; least: number; most: number | undefined }

/**
 * What a state takes, by the code of the letter: looked up in the same time for a class of a hundred members as for one letter.
 * Names of objects are ASCII, and no other letter is taken.
 */
export type Letters = Uint8Array

interface Reader {
  text: string
  next: number
  depth: number
  ignoreCase: boolean
}

/** The tree of a pattern: see `compileNamePattern`. Throws {@link PatternFault}. */
export function parsePattern(text: string): { tree: Tree; ignoreCase: boolean } {
  const { patternLength } = classLimits
  if (text.length > patternLength.value) throw new PatternFault(beyondLimit(patternLength, text.length))
  const ignoreCase = text.startsWith('(?i)')
  const reader: Reader = { text, next: ignoreCase ? 4 : 0, depth: 0, ignoreCase }
  const tree = parseAlternatives(reader)
  if (reader.next < text.length) throw new PatternFault(`found ) without (, at character ${reader.next + 1}`)
  return { tree, ignoreCase }
}

function parseAlternatives(reader: Reader): Tree {
  const parts: Tree[] = [parseSequence(reader)]
  while (reader.text[reader.next] === '|') {
    reader.next++
    parts.push(parseSequence(reader))
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: 'alternatives', parts }
}

function parseSequence(reader: Reader): Tree {
  const parts: Tree[] = []
  for (;;) {
    const letter = reader.text[reader.next]
    if (letter === undefined || letter === '|' || letter === ')') return { kind: 'sequence', parts }
    parts.push(parseRepeats(reader, parseOne(reader)))
  }
}

function parseRepeats(reader: Reader, part: Tree): Tree {
  const { text } = reader
  const counts = parseCounts(reader)
  if (counts === undefined) return part
  // Whether it takes as many or as few as possible decides nothing about the whole name.
  if (text[reader.next] === '?') reader.next++
  if (/^(?:[*+?]|\{\d)/.test(text.slice(reader.next, reader.next + 2)))
    throw fail(reader, 'found a repetition of a repetition')
  return { kind: 'repeat', part, ...counts }
}

function fail({ next }: Reader, reason: string): PatternFault {
  return new PatternFault(`${reason}, at character ${next + 1}`)
}

function parseCounts(reader: Reader): { least: number; most: number | undefined } | undefined {
  const { text } = reader
  switch (text[reader.next]) {
    case '*':
      reader.next++
      return { least: 0, most: undefined }
    case '+':
      reader.next++
      return { least: 1, most: undefined }
    case '?':
      reader.next++
      return { least: 0, most: 1 }
    case '{': {
      const [all, low = '', comma, high = ''] = /^\{(\d{1,3})(,?)(\d{0,3})\}/.exec(text.slice(reader.next)) ?? []
      if (all === undefined || (comma === '' && high !== ''))
        throw fail(reader, 'expected a number of repetitions such as {3}, {1,5} or {2,}')
      const least = Number(low)
      const most = comma === '' ? least : high === '' ? undefined : Number(high)
      if (most !== undefined && most < least) throw fail(reader, 'found a repetition whose end is below its start')
      reader.next += all.length
      return { least, most }
    }
    default:
      return undefined
  }
}

function parseOne(reader: Reader): Tree {
  const { text } = reader
  const letter = text[reader.next] ?? ''
  switch (letter) {
    case '(':
      return parseGroup(reader)
    case '[':
      return { kind: 'letter', taken: lettersOf(parseClass(reader)) }
    case '.':
      reader.next++
      return { kind: 'letter', taken: lettersOf(() => true) }
    case '^':
      reader.next++
      return { kind: 'start' }
    case '$':
      reader.next++
      return { kind: 'end' }
    case '*':
    case '+':
    case '?':
    case '{':
      throw fail(reader, `found ${letter} with nothing before it`)
    case '\\':
      return parseEscape(reader)
    default:
      reader.next++
      return oneLetter(reader, letter)
  }
}

const asciiLetters: readonly string[] = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))

function lettersOf(takes: (letter: string) => boolean): Letters {
  return Uint8Array.from(asciiLetters, (letter) => (takes(letter) ? 1 : 0))
}

function oneLetter({ ignoreCase }: Reader, letter: string): Tree {
  const wanted = ignoreCase ? letter.toLowerCase() : letter
  return { kind: 'letter', taken: lettersOf((other) => other === wanted) }
}

/** Patterns of names have no deeper groups. */
const maxDepth = 32

function parseGroup(reader: Reader): Tree {
  const { text } = reader
  const open = reader.next
  const isNamed = /^\(\?P?<[A-Za-z_]\w{0,60}>/.exec(text.slice(open))?.[0]
  if (isNamed !== undefined) reader.next += isNamed.length
  else if (text.startsWith('(?:', open)) reader.next += 3
  else if (text[open + 1] === '?')
    throw fail(
      reader,
      'found a group other than (…) and (?:…): look-around is not supported, and (?i) only at the start',
    )
  else reader.next++
  if (++reader.depth > maxDepth) throw fail(reader, `groups nest deeper than the ${maxDepth} levels allowed`)
  const tree = parseAlternatives(reader)
  if (text[reader.next] !== ')') throw new PatternFault(`found ( without ), at character ${open + 1}`)
  reader.next++
  reader.depth--
  return tree
}

const classesOf: Readonly<Record<string, (letter: string) => boolean>> = {
  d: (letter) => /[0-9]/.test(letter),
  D: (letter) => !/[0-9]/.test(letter),
  w: (letter) => /[0-9A-Za-z_]/.test(letter),
  W: (letter) => !/[0-9A-Za-z_]/.test(letter),
  s: (letter) => /[\t\n\f\r ]/.test(letter),
  S: (letter) => !/[\t\n\f\r ]/.test(letter),
}

function parseEscape(reader: Reader): Tree {
  const letter = reader.text[reader.next + 1] ?? ''
  const takes = classesOf[letter]
  if (takes === undefined && /[0-9A-Za-z]|^$/.test(letter))
    throw fail(reader, `found \\${letter}: back-references and other escapes than \\d, \\w, \\s are not supported`)
  reader.next += 2
  return takes === undefined ? oneLetter(reader, letter) : { kind: 'letter', taken: lettersOf(takes) }
}

function parseClass(reader: Reader): (letter: string) => boolean {
  const { text, ignoreCase } = reader
  const open = reader.next++
  const isNegated = text[reader.next] === '^'
  if (isNegated) reader.next++
  const tests: ((letter: string) => boolean)[] = []
  for (let first = true; text[reader.next] !== ']' || first; first = false) {
    if (text[reader.next] === undefined) throw new PatternFault(`found [ without ], at character ${open + 1}`)
    if (text.startsWith('[:', reader.next)) throw fail(reader, 'found [:…:], which is not supported: write the range')
    tests.push(parseMember(reader))
  }
  reader.next++
  const isIn = (letter: string) => tests.some((test) => test(letter))
  const takes = ignoreCase ? (letter: string) => isIn(letter) || isIn(letter.toUpperCase()) : isIn
  return isNegated ? (letter) => !takes(letter) : takes
}

function parseMember(reader: Reader): (letter: string) => boolean {
  const from = memberLetter(reader)
  if (typeof from === 'function') return from
  const { text } = reader
  if (text[reader.next] !== '-' || text[reader.next + 1] === ']' || text[reader.next + 1] === undefined)
    return (letter) => letter === from
  reader.next++
  const to = memberLetter(reader)
  if (typeof to === 'function' || to < from) throw fail(reader, 'found a range whose end is before its start')
  return (letter) => letter >= from && letter <= to
}

function memberLetter(reader: Reader): string | ((letter: string) => boolean) {
  const letter = reader.text[reader.next++] ?? ''
  if (letter !== '\\') return letter
  const escaped = reader.text[reader.next] ?? ''
  const takes = classesOf[escaped]
  if (takes === undefined && /[0-9A-Za-z]|^$/.test(escaped)) throw fail(reader, `found \\${escaped} in […]`)
  reader.next++
  return takes ?? escaped
}
