/** Where a text stops being JSON. Both descriptions name kinds, never what the text holds. */
export interface JsonFault {
  /** From 1. */
  line: number
  /** From 1, in UTF-16 code units. */
  column: number
  found: string
  expected: string
}

/** What may come next in a JSON text. */
type State = 'value' | 'value or end of list' | 'name or end of object' | 'name' | 'colon' | 'comma or end'

interface Scan {
  readonly text: string
  at: number
  state: State
  /** The brackets that are open, outermost first. */
  readonly open: ('{' | '[')[]
}

/** What is wrong at the scan's position, or undefined when a token was read. */
type Fault = { expected: string } | undefined

/** Finds the first fault of a text that `JSON.parse` refuses, in one pass and without recursion. */
export function findJsonFault(text: string): JsonFault {
  const scan: Scan = { text, at: 0, state: 'value', open: [] }
  for (;;) {
    skipWhitespace(scan)
    const fault = readToken(scan)
    if (fault !== undefined) return { ...positionOf(text, scan.at), found: kindAt(text, scan.at), ...fault }
  }
}

/** https://www.rfc-editor.org/rfc/rfc8259#section-2 */
function skipWhitespace(scan: Scan): void {
  while (' \t\n\r'.includes(scan.text[scan.at] ?? 'x')) scan.at++
}

function readToken(scan: Scan): Fault {
  const { text, at, state, open } = scan
  const character = text[at]
  switch (state) {
    case 'comma or end':
      return readSeparator(scan, character)
    case 'colon':
      if (character !== ':') return { expected: 'a colon' }
      return take(scan, 1, 'value')
    case 'name':
    case 'name or end of object':
      if (character === '"') return readString(scan, 'colon')
      if (character === '}' && state === 'name or end of object') return close(scan)
      return { expected: state === 'name' ? 'a name in quotes' : 'a name in quotes or a closing brace' }
    case 'value':
    case 'value or end of list':
      if (character === ']' && state === 'value or end of list') return close(scan)
      if (character === '{' || character === '[') {
        open.push(character)
        return take(scan, 1, character === '{' ? 'name or end of object' : 'value or end of list')
      }
      return readScalar(scan, character, state)
  }
}

function readSeparator(scan: Scan, character: string | undefined): Fault {
  const container = scan.open.at(-1)
  if (container === undefined) return { expected: 'the end of the text' }
  const closing = container === '{' ? '}' : ']'
  if (character === closing) return close(scan)
  if (character !== ',') return { expected: `a comma or a closing ${container === '{' ? 'brace' : 'bracket'}` }
  return take(scan, 1, container === '{' ? 'name' : 'value')
}

function readScalar(scan: Scan, character: string | undefined, state: State): Fault {
  if (character === '"') return readString(scan, 'comma or end')
  if (character === '-' || isDigit(character)) return readNumber(scan)
  for (const word of ['true', 'false', 'null']) {
    if (scan.text.startsWith(word, scan.at)) return take(scan, word.length, 'comma or end')
  }
  return { expected: state === 'value' ? 'a value' : 'a value or a closing bracket' }
}

/** Reads a string, up to its closing quote. A fault inside is reported at its own position. */
function readString(scan: Scan, next: State): Fault {
  const { text } = scan
  for (scan.at++; scan.at < text.length; scan.at++) {
    const character = text[scan.at] ?? ''
    if (character === '"') return take(scan, 1, next)
    if (character < ' ') return { expected: 'an escape sequence instead' }
    if (character !== '\\') continue
    scan.at++
    const escaped = text[scan.at] ?? ''
    if (escaped === 'u') {
      for (let i = 0; i < 4; i++) {
        if (!/^[0-9A-Fa-f]$/.test(text[++scan.at] ?? '')) return { expected: 'four hexadecimal digits' }
      }
    } else if (escaped === '' || !'"\\/bfnrt'.includes(escaped)) return { expected: 'an escape sequence' }
  }
  return { expected: 'a closing quote' }
}

function readNumber(scan: Scan): Fault {
  const { text } = scan
  if (text[scan.at] === '-') scan.at++
  if (!isDigit(text[scan.at])) return { expected: 'a digit' }
  // A number does not begin with a zero that is followed by digits.
  if (text[scan.at] === '0') scan.at++
  else skipDigits(scan)
  if (text[scan.at] === '.') {
    scan.at++
    if (!isDigit(text[scan.at])) return { expected: 'a digit' }
    skipDigits(scan)
  }
  if (text[scan.at] === 'e' || text[scan.at] === 'E') {
    scan.at++
    if (text[scan.at] === '+' || text[scan.at] === '-') scan.at++
    if (!isDigit(text[scan.at])) return { expected: 'a digit' }
    skipDigits(scan)
  }
  return take(scan, 0, 'comma or end')
}

function skipDigits(scan: Scan): void {
  while (isDigit(scan.text[scan.at])) scan.at++
}

function close(scan: Scan): undefined {
  scan.open.pop()
  return take(scan, 1, 'comma or end')
}

function take(scan: Scan, length: number, next: State): undefined {
  scan.at += length
  scan.state = next
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9'
}

const namesOfPunctuation: Readonly<Record<string, string>> = {
  '{': 'an opening brace',
  '}': 'a closing brace',
  '[': 'an opening bracket',
  ']': 'a closing bracket',
  ':': 'a colon',
  ',': 'a comma',
  '"': 'a quote',
  "'": 'a single quote',
  '\\': 'a backslash',
  '\uFEFF': 'a byte order mark',
}

function kindAt(text: string, at: number): string {
  const character = text[at]
  if (character === undefined) return text.trim() === '' ? 'an empty text' : 'the end of the text'
  const punctuation = namesOfPunctuation[character]
  if (punctuation !== undefined) return punctuation
  if (character === '\n' || character === '\r') return 'a line break'
  if (character < ' ') return 'a control character'
  if (isDigit(character)) return 'a digit'
  if (/^\p{L}$/u.test(character)) return 'a letter'
  return 'another character'
}

function positionOf(text: string, at: number): { line: number; column: number } {
  let line = 1
  let lineStart = 0
  for (let next = text.indexOf('\n'); next >= 0 && next < at; next = text.indexOf('\n', next + 1)) {
    line++
    lineStart = next + 1
  }
  return { line, column: at - lineStart + 1 }
}
