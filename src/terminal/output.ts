/** A stream that the command line writes to: standard output or standard error. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean | undefined
  /** Width of the terminal; undefined for a pipe or a file. */
  columns?: number | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const defaultWidth = 80
/** Lines that are longer than this are hard to read, however wide the window is. */
const maxWidth = 120
const minWidth = 40

/** Columns at which texts for people are wrapped: the terminal's, within reason, and 80 elsewhere. */
export function widthOf({ isTTY, columns }: Output): number {
  if (isTTY !== true || columns === undefined || columns === 0) return defaultWidth
  return Math.min(Math.max(columns, minWidth), maxWidth)
}

/** Whether the output is a terminal on which lines can be rewritten. */
export function isInteractive({ isTTY }: Output, env: Environment): boolean {
  return isTTY === true && env.TERM !== 'dumb'
}

/** https://no-color.org, https://force-color.org */
export function wantsColour(output: Output, env: Environment): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false
  if ((env.FORCE_COLOR ?? '') !== '') return env.FORCE_COLOR !== '0'
  return isInteractive(output, env)
}
