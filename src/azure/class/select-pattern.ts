import { beyondLimit } from '#lib'
import { classLimits } from './class-limits.ts'

/** A pattern of names. It looks at the whole name, in time in proportion to the name's length and the pattern's size. */
export interface NamePattern {
  /** As the class writes it. */
  text: string
  /** @param onSteps called with the steps it took, each some nanoseconds */
  matches(name: string, onSteps?: (steps: number) => void): boolean
}

/**
 * Compiles a regular expression in RE2's syntax, as far as names need it: letters, `.`, classes, groups, `|`, `* + ?`, `{n,m}`,
 * `^` and `$`, and `(?i)` at the start. Back-references and look-around, for which no engine is linear, are refused. The result
 * runs all alternatives at once (Thompson's construction), so no pattern and no name can make it slow.
 * https://swtch.com/~rsc/regexp/regexp1.html
 *
 * @returns the pattern, or what is wrong with it
 */
export function compileNamePattern(text: string): NamePattern | { fault: string } {
  const { patternLength, patternStates } = classLimits
  if (text.length > patternLength.value) return { fault: beyondLimit(patternLength, text.length) }
  try {
    const ignoreCase = text.startsWith('(?i)')
    const reader: Reader = { text, next: ignoreCase ? 4 : 0, depth: 0, ignoreCase }
    const tree = parseAlternatives(reader)
    if (reader.next < text.length) throw new PatternFault(`found ) without (, at character ${reader.next + 1}`)
    const size = sizeOf(tree)
    if (size > patternStates.value) return { fault: beyondLimit(patternStates, size) }
    const states: State[] = [{ kind: 'match' }]
    const start = build(states, tree, 0)
    return {
      text,
      matches(name, onSteps) {
        const { matches, steps } = run(states, start, ignoreCase ? name.toLowerCase() : name)
        onSteps?.(steps)
        return matches
      },
    }
  } catch (error) {
    if (error instanceof PatternFault) return { fault: error.message }
    throw error
  }
}

class PatternFault extends Error {}

type Tree =
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
type Letters = Uint8Array

const asciiLetters: readonly string[] = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))

interface Reader {
  text: string
  next: number
  depth: number
  ignoreCase: boolean
}

/** Patterns of names have no deeper groups. */
const maxDepth = 32

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

function lettersOf(takes: (letter: string) => boolean): Letters {
  return Uint8Array.from(asciiLetters, (letter) => (takes(letter) ? 1 : 0))
}

function oneLetter({ ignoreCase }: Reader, letter: string): Tree {
  const wanted = ignoreCase ? letter.toLowerCase() : letter
  return { kind: 'letter', taken: lettersOf((other) => other === wanted) }
}

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

type State =
  | { kind: 'match' }
  | { kind: 'letter'; taken: Letters; then: number }
  | { kind: 'either'; targets: number[] }
  | { kind: 'start' | 'end'; then: number }

/** How many states {@link build} makes, at most; counted first, as repetitions multiply. */
function sizeOf(tree: Tree): number {
  switch (tree.kind) {
    case 'sequence':
    case 'alternatives':
      return tree.parts.reduce((sum, part) => sum + sizeOf(part), 1)
    case 'repeat':
      return (sizeOf(tree.part) + 1) * Math.max(tree.least + 1, tree.most ?? 0)
    default:
      return 1
  }
}

/** Adds the states of a tree that go on to `then`; the first of them. */
function build(states: State[], tree: Tree, then: number): number {
  switch (tree.kind) {
    case 'empty':
      return then
    case 'letter':
      return states.push({ kind: 'letter', taken: tree.taken, then }) - 1
    case 'sequence':
      return tree.parts.reduceRight((next, part) => build(states, part, next), then)
    case 'alternatives':
      return states.push({ kind: 'either', targets: tree.parts.map((part) => build(states, part, then)) }) - 1
    case 'repeat':
      return buildRepeat(states, tree, then)
    default:
      return states.push({ kind: tree.kind, then }) - 1
  }
}

function buildRepeat(states: State[], { part, least, most }: Tree & { kind: 'repeat' }, then: number): number {
  let next = then
  if (most === undefined) {
    const loop: State & { kind: 'either' } = { kind: 'either', targets: [then] }
    next = states.push(loop) - 1
    loop.targets.push(build(states, part, next))
  }
  for (let optional = (most ?? least) - least; optional > 0; optional--) {
    const body = build(states, part, next)
    next = states.push({ kind: 'either', targets: [then, body] }) - 1
  }
  for (let required = least; required > 0; required--) next = build(states, part, next)
  return next
}

/** Follows every alternative at once: a state is visited at most once for each letter. */
function run(states: readonly State[], start: number, name: string): { matches: boolean; steps: number } {
  const visited = new Int32Array(states.length).fill(-1)
  const walk: Walk = { at: 0, end: name.length, visited, steps: states.length }
  let current = closure(states, [start], walk)
  for (let at = 0; at < name.length && current.length > 0; at++) {
    const code = name.charCodeAt(at)
    const next: number[] = []
    for (const index of current) {
      walk.steps++
      const state = states[index]
      if (state?.kind === 'letter' && state.taken[code] === 1) next.push(state.then)
    }
    walk.at = at + 1
    current = closure(states, next, walk)
  }
  return { matches: current.some((index) => states[index]?.kind === 'match'), steps: walk.steps }
}

interface Walk {
  at: number
  end: number
  /** Where each state was visited last. */
  visited: Int32Array
  steps: number
}

/** The states that take a letter, or match, and are reached from these without one. */
function closure(states: readonly State[], open: number[], walk: Walk): number[] {
  const { at, end, visited } = walk
  const reached: number[] = []
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    walk.steps++
    const state = states[index]
    if (state === undefined || visited[index] === at) continue
    visited[index] = at
    if (state.kind === 'either') open.push(...state.targets)
    else if (state.kind === 'start' || state.kind === 'end') {
      if (at === (state.kind === 'start' ? 0 : end)) open.push(state.then)
    } else reached.push(index)
  }
  return reached
}
