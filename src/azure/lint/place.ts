import { LineCounter, type Node, type Scalar } from 'yaml'

/** A place in a file: line and column count from 1. */
export interface Place {
  line: number
  column: number
}

/** The text of a file, or of a value of its YAML. */
export interface PlacedText {
  text: string
  /** Where the character at this offset of the text is. */
  at(offset: number): Place
}

export function wholeFile(text: string): PlacedText {
  const at = lineFinder(text)
  return { text, at }
}

/** Places by offset, for one text: line starts are found once. */
function lineFinder(text: string): (offset: number) => Place {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (let index = text.indexOf('\n'); index >= 0; index = text.indexOf('\n', index + 1)) lines.addNewLine(index + 1)
  return (offset) => {
    const { line, col } = lines.linePos(Math.min(offset, text.length))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
}

/** Offset at which a node begins; 0 for one without a range. */
export function startOf(node: unknown): number {
  return (node as Node | undefined)?.range?.[0] ?? 0
}

/**
 * The value of a scalar with the places of its characters: in a block scalar (`|`) each line of the value is a line of the
 * file. A text whose characters are not those of the file (escapes, folded lines) is at the scalar's beginning.
 */
export function textOfScalar(scalar: Scalar, outer: PlacedText): PlacedText {
  const text = typeof scalar.value === 'string' ? scalar.value : String(scalar.source ?? '')
  const start = startOf(scalar)
  if (scalar.type === 'BLOCK_LITERAL') return { text, at: blockFinder(text, start, outer) }
  const end = scalar.range?.[1] ?? start
  const isQuoted = scalar.type === 'QUOTE_DOUBLE' || scalar.type === 'QUOTE_SINGLE'
  const first = start + (isQuoted ? 1 : 0)
  const asWritten = outer.text.slice(first, end - (isQuoted ? 1 : 0)) === text
  return { text, at: (offset) => outer.at(asWritten ? first + Math.min(offset, text.length) : start) }
}

function blockFinder(text: string, start: number, outer: PlacedText): (offset: number) => Place {
  const inValue = lineFinder(text)
  const starts = lineStarts(outer.text, start, text)
  return (offset) => {
    const { line, column } = inValue(offset)
    const begin = starts[line - 1]
    return outer.at(begin === undefined ? start : begin + column - 1)
  }
}

/** Offset in the outer text of the first character of each line of a block scalar whose header is at `start`. */
function lineStarts(outer: string, start: number, value: string): number[] {
  const starts: number[] = []
  let position = outer.indexOf('\n', start) + 1
  if (position === 0) return starts
  for (const line of value.split('\n')) {
    let end = outer.indexOf('\n', position)
    if (end < 0) end = outer.length
    const length = end - position - (outer[end - 1] === '\r' ? 1 : 0)
    starts.push(position + Math.max(0, length - line.length))
    if (end === outer.length) break
    position = end + 1
  }
  return starts
}
