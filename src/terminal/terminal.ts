import { wrapText } from '#lib/formats'
import { isInteractive, type Output, wantsColour, widthOf } from './output.ts'
import { printable } from './printable.ts'
import { createProgressLine, noProgressLine, type ProgressLine } from './progress-line.ts'
import { createStyle, type Style } from './style.ts'

/**
 * Lines for people on a terminal, and the same lines plain in a pipe or a file. Where a text names a command as
 * `keymount NAME`, it is printed as the user calls the program (`npx keymount NAME`), so that it can be pasted.
 */
export interface Terminal {
  readonly style: Style
  /** Columns at which texts are wrapped. */
  readonly width: number
  /** Lines of at most `width` columns, with commands as the user calls the program, which is never broken itself. */
  wrap(text: string, width: number): string[]
  /** One line of the result, on standard output. */
  line(text?: string): void
  /** One line for people, beside the result, on standard error. */
  error(text: string): void
  /**
   * Runs one step and prints one line about it: a mark, the title, how long it took, and what `describe` makes of the result.
   * While it runs, a terminal shows its title. A step that throws gets its line too, and rethrows.
   */
  step<T>(title: string, run: () => Promise<T>, describe: (result: T) => string): Promise<T>
  /** While something runs, a terminal shows its title; nothing is left of it. */
  wait<T>(title: string, run: () => Promise<T>): Promise<T>
}

export interface TerminalOptions {
  stdout: Output
  stderr: Output
  env: Readonly<Record<string, string | undefined>>
  /** How the user calls the program. Default `keymount`. */
  programName?: string | undefined
  /** Where step lines go. Default: standard error, so that a result can be piped. */
  stepsTo?: 'stdout' | 'stderr' | undefined
  /** Columns for the titles of steps. Default 14. */
  titleWidth?: number | undefined
  /** Milliseconds of a monotonic clock. */
  now?: (() => number) | undefined
}

interface TerminalState {
  steps: Output
  style: Style
  width: number
  titleWidth: number
  progress: ProgressLine
  now: () => number
  spell: (text: string) => string
  programName: string
}

export function createTerminal(options: TerminalOptions): Terminal {
  const { stdout, stderr, env, stepsTo = 'stderr', titleWidth = 14, now = () => performance.now() } = options
  const steps = stepsTo === 'stdout' ? stdout : stderr
  const state: TerminalState = {
    steps,
    style: createStyle(wantsColour(steps, env)),
    width: widthOf(steps),
    titleWidth,
    progress: isInteractive(steps, env) ? createProgressLine(steps, now) : noProgressLine,
    now,
    spell: (text) => spellCommands(text, options.programName),
    programName: options.programName ?? 'keymount',
  }
  const write = (output: Output, text: string) =>
    state.progress.above(() => void output.write(`${printable(state.spell(text))}\n`))
  return {
    style: state.style,
    width: state.width,
    wrap: (text, width) => wrapSpelled(state, text, width),
    line: (text = '') => write(stdout, text),
    error: (text) => write(stderr, text),
    step: (title, run, describe) => runStep(state, title, run, describe),
    wait: (title, run) => run().finally(state.progress.show(title)),
  }
}

async function runStep<T>(
  state: TerminalState,
  title: string,
  run: () => Promise<T>,
  describe: (result: T) => string,
): Promise<T> {
  const { style, now, progress } = state
  const startedAt = now()
  const done = progress.show(title)
  try {
    const result = await run()
    done()
    printStep(state, { mark: style.good('✓'), title, text: describe(result), startedAt })
    return result
  } catch (error) {
    done()
    printStep(state, { mark: style.bad('✗'), title, text: 'failed', startedAt })
    throw error
  }
}

const timeWidth = 7
/** A description narrower than this is not worth wrapping. */
const minTextWidth = 24

function printStep(
  state: TerminalState,
  { mark, title, text, startedAt }: { mark: string; title: string; text: string; startedAt: number },
): void {
  const { steps, style, width, titleWidth, progress, now } = state
  const seconds = `${((now() - startedAt) / 1000).toFixed(2)} s`
  const margin = '✓ '.length + titleWidth + ' '.length + timeWidth + '  '.length
  const textWidth = Math.max(width - margin, minTextWidth)
  const [first = '', ...rest] = text.split('\n').flatMap((line) => wrapSpelled(state, line, textWidth))
  const head = `${mark} ${style.strong(title.padEnd(titleWidth))} ${style.dim(seconds.padStart(timeWidth))}  ${first}`
  const lines = [head, ...rest.map((line) => `${' '.repeat(margin)}${line}`)]
  progress.above(() => void steps.write(`${printable(lines.join('\n'))}\n`))
}

/** Stands for a space at which no line is broken. */
const joiner = '\u2060'

function wrapSpelled({ spell, programName }: TerminalState, text: string, width: number): string[] {
  const joined = programName.replaceAll(' ', joiner)
  return wrapText(spell(text).replaceAll(programName, joined), width).map((line) => line.replaceAll(joiner, ' '))
}

/** `keymount` before the name of a command, without `npx`; not a Helm release, a chart or a cluster of that name. */
const commandName = /(?<![\w./-]|npx )keymount(?= [a-z][a-z-]*(?![\w/:.-]))/g

/** A text in which commands are as the user calls the program. A second time changes nothing. */
function spellCommands(text: string, programName = 'keymount'): string {
  return programName === 'keymount' ? text : text.replaceAll(commandName, programName)
}
