/**
 * Why Go's decoder refuses a text as a JSON object, in its words; undefined when it accepts the text. They appear in the
 * error for the JSON of a docker Secret, which people search for. The text itself is never quoted but for one character.
 */
export function jsonObjectFault(text: string): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return syntaxFault(text)
  }
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return undefined
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
  return `json: cannot unmarshal ${found} into Go value of type map[string]interface {}`
}

const space = /[ \t\r\n]/
const literals: Record<string, string> = { t: 'true', f: 'false', n: 'null' }

/** What the scanner expects next. */
type Place = 'value' | 'first key' | 'key' | 'colon' | 'after value' | 'first element'

/** Scans a text that is not JSON up to its fault. */
function syntaxFault(text: string): string {
  const ended = 'unexpected end of JSON input'
  const wrong = (at: number, context: string) => {
    const char = text[at]
    if (char === undefined) return ended
    return `invalid character ${char === "'" ? String.raw`'\''` : `'${char}'`} ${context}`
  }
  /** Kinds of the containers that are open. */
  const open: ('object' | 'array')[] = []
  let place: Place = 'value'
  let at = 0
  for (;;) {
    while (space.test(text[at] ?? '')) at++
    const char = text[at]
    const container = open.at(-1)
    if (char === undefined) return ended
    if (place === 'colon') {
      if (char !== ':') return wrong(at, 'after object key')
      place = 'value'
      at++
    } else if (place === 'after value') {
      if (container === undefined) return wrong(at, 'after top-level value')
      const closing = container === 'object' ? '}' : ']'
      if (char === closing) open.pop()
      else if (char === ',') place = container === 'object' ? 'key' : 'value'
      else return wrong(at, container === 'object' ? 'after object key:value pair' : 'after array element')
      at++
    } else if ((place === 'first key' && char === '}') || (place === 'first element' && char === ']')) {
      open.pop()
      place = 'after value'
      at++
    } else if (place === 'first key' || place === 'key') {
      if (char !== '"') return wrong(at, 'looking for beginning of object key string')
      const end = scanString(text, at)
      if ('fault' in end) return end.fault === text.length ? ended : wrong(end.fault, end.context)
      at = end.next
      place = 'colon'
    } else if (char === '{' || char === '[') {
      open.push(char === '{' ? 'object' : 'array')
      place = char === '{' ? 'first key' : 'first element'
      at++
    } else {
      const end = scanScalar(text, at)
      if ('fault' in end) return end.fault >= text.length ? ended : wrong(end.fault, end.context)
      at = end.next
      place = 'after value'
    }
  }
}

type Scan = { next: number } | { fault: number; context: string }

function scanString(text: string, start: number): Scan {
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at] ?? ''
    if (char === '"') return { next: at + 1 }
    if (char < ' ') return { fault: at, context: 'in string literal' }
    if (char !== '\\') continue
    at++
    if (text[at] === 'u') {
      for (let digit = 0; digit < 4; digit++) {
        at++
        if (at < text.length && !/[\da-fA-F]/.test(text[at] ?? '')) {
          return { fault: at, context: 'in \\u hexadecimal character escape' }
        }
      }
    } else if (at < text.length && !'bfnrt\\/"'.includes(text[at] ?? '')) {
      return { fault: at, context: 'in string escape code' }
    }
  }
  return { fault: text.length, context: '' }
}

function scanScalar(text: string, start: number): Scan {
  const char = text[start] ?? ''
  if (char === '"') return scanString(text, start)
  const literal = literals[char]
  if (literal !== undefined) {
    for (let index = 1; index < literal.length; index++) {
      const context = `in literal ${literal} (expecting '${literal[index]}')`
      if (text[start + index] !== literal[index]) return { fault: start + index, context }
    }
    return { next: start + literal.length }
  }
  const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/.exec(text.slice(start, start + 400))
  if (number !== null) return { next: start + number[0].length }
  return char === '-'
    ? { fault: start + 1, context: 'in numeric literal' }
    : { fault: start, context: 'looking for beginning of value' }
}
