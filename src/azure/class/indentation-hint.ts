import type { YAMLParseError } from 'yaml'

/** Of a line that is quoted. */
const longestQuote = 60

/** Errors of the parser that name what it expected, where the cause is a line that begins in another column than the one before. */
const ofIndentation: ReadonlySet<string> = new Set([
  'BAD_INDENT',
  'BLOCK_AS_IMPLICIT_KEY',
  'TAB_AS_INDENT',
  'UNEXPECTED_TOKEN',
])

/**
 * For an error at `line` (from 1) of a YAML text: the two lines that begin in different columns, if that may be its cause;
 * otherwise undefined. `line 2 begins in column 2, line 1 in column 1: "objectName: a", " objectType: secret"`
 */
export function indentationHint(text: string, line: number, { code, message }: YAMLParseError): string | undefined {
  if (!ofIndentation.has(code) && !message.startsWith('Sequence item without')) return undefined
  const lines = text.split('\n')
  // The parser reports a nested mapping at its key, which is in the line above; other errors at the end of what it has read.
  const reported = lines[line - 1] ?? ''
  const isItem = code === 'BLOCK_AS_IMPLICIT_KEY' && isListItem(reported)
  const second = isItem ? line - 1 : nextLine(lines, code === 'BLOCK_AS_IMPLICIT_KEY' ? line : line - 1)
  // An item of a list has to begin where the one before it begins.
  const isBefore = (each: string) => (isItem ? isListItem(each) : each.trim() !== '')
  const first = lines.findLastIndex((each, index) => index < second && isBefore(each))
  const [above, below] = [lines[first], lines[second]]
  if (above === undefined || below === undefined) return undefined
  if (/^\s*\t/.test(below)) return `line ${second + 1} is indented by a tab; use spaces: ${quoted(below)}`
  if (columnOf(above) === columnOf(below)) return undefined
  const columns = `line ${second + 1} begins in column ${columnOf(below)}, line ${first + 1} in column ${columnOf(above)}`
  return `${columns}: ${quoted(above)}, ${quoted(below)}`
}

function isListItem(line: string): boolean {
  return /^\s*-(\s|$)/.test(line)
}

function nextLine(lines: readonly string[], from: number): number {
  return lines.findIndex((each, index) => index >= from && each.trim() !== '')
}

function columnOf(line: string): number {
  return line.search(/\S/) + 1
}

function quoted(line: string): string {
  return JSON.stringify(line.length > longestQuote ? `${line.slice(0, longestQuote)}…` : line)
}
