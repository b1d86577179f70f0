import { wrapText } from '#lib/formats'
import { countOf, type Terminal } from '#terminal'
import type { Row, Tone } from './rows.ts'
import type { Column, View } from './views.ts'

const gap = '   '
/** Of one column; the rest of a longer text is in `-o json`. */
const longest = 100

/** Rows as lines of a terminal, as kubectl prints tables. */
export function tableLines(
  { columns, noun, empty, below }: View,
  rows: readonly Row[],
  { isWide, nowMs, hidden }: { isWide: boolean; nowMs: number; hidden: number },
  { style, width }: Pick<Terminal, 'style' | 'width'>,
): string[] {
  if (rows.length === 0 && hidden === 0) return [empty]
  if (rows.length === 0) return [`None of ${countOf(hidden, ...noun)} matches the filter.`]
  const shown = columns.filter((column) => isWide || column.wideOnly !== true)
  const heads = shown.map(({ title }) => title.toUpperCase())
  const cells = rows.map((row) => shown.map((column) => cellOf(column, row, nowMs)))
  const widths = heads.map((head, i) => Math.max(head.length, ...cells.map((line) => line[i]?.length ?? 0)))
  const paint: Readonly<Record<Tone, (text: string) => string>> = {
    good: style.good,
    bad: style.bad,
    warn: style.bad,
    quiet: style.dim,
  }
  const lineOf = (texts: readonly string[], tone?: Tone) =>
    texts
      .map((text, i) => {
        const padded = i === texts.length - 1 ? text : text.padEnd(widths[i] ?? 0)
        return tone !== undefined && shown[i]?.kind === 'state' ? paint[tone](padded) : padded
      })
      .join(gap)
      .trimEnd()
  const detailsOf = (row: Row) => {
    const { text = '', commands = [] } = below?.(row) ?? {}
    // Only what the column cut.
    const more = text.length > longest ? wrapText(text, width - 4) : []
    return [...more.map((line) => `    ${line}`), ...commands.map((command) => `    → ${style.command(command)}`)]
  }
  const rowLines = rows.flatMap((row, i) => [lineOf(cells[i] ?? [], row.tone), ...detailsOf(row)])
  return [style.dim(lineOf(heads)), ...rowLines]
}

function cellOf(column: Column<Row>, row: Row, nowMs: number): string {
  const text = column.text(row, nowMs)
  const mark = column.mark?.(row)
  const cell = `${text.length > longest ? `${text.slice(0, longest - 1)}…` : text}${mark === undefined ? '' : ` ${mark.text}`}`
  return cell === '' ? '-' : cell
}
