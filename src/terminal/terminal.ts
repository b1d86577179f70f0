import { stripVTControlCharacters, styleText } from 'node:util'

/** Where the command line writes. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean | undefined
}

type Style = Record<'good' | 'bad' | 'dim' | 'strong' | 'command', (text: string) => string>

/** Lines for people on a terminal, and the same lines plain in a pipe or a file. */
export interface Terminal {
  readonly style: Style
  /** One line of the result, on standard output. */
  line(text?: string): void
  /** One line for people beside the result, on standard error. */
  error(text: string): void
  /**
   * Does one step and says how it went in one line: a mark, the title, what `run` gave back, and how long it took.
   * A step that throws gets its line too, and throws on.
   */
  step<T>(title: string, run: () => Promise<T>, describe: (result: T) => string): Promise<T>
}

export interface TerminalOptions {
  stdout: Output
  stderr: Output
  env: Record<string, string | undefined>
  /** Where step lines go. Default: standard error, so that a result can be piped. */
  stepsTo?: 'stdout' | 'stderr'
  /** Columns for the titles of steps. Default 14. */
  titleWidth?: number
  now?: () => number
}

const timeWidth = 7

export function createTerminal(options: TerminalOptions): Terminal {
  const { stdout, stderr, env, stepsTo = 'stderr', titleWidth = 14, now = () => performance.now() } = options
  const steps = stepsTo === 'stdout' ? stdout : stderr
  const style = createStyle(wantsColour(steps, env))

  function stepLine(mark: string, title: string, text: string, startedAt: number): void {
    const seconds = `${((now() - startedAt) / 1000).toFixed(2)} s`
    const [first = '', ...rest] = text.split('\n')
    const margin = ' '.repeat('✓ '.length + titleWidth + ' '.length + timeWidth + '  '.length)
    const lines = [
      `${mark} ${style.strong(title.padEnd(titleWidth))} ${style.dim(seconds.padStart(timeWidth))}  ${first}`,
    ]
    for (const line of rest) lines.push(`${margin}${line}`)
    steps.write(`${lines.join('\n')}\n`)
  }

  return {
    style,
    line: (text = '') => void stdout.write(`${text}\n`),
    error: (text) => void stderr.write(`${text}\n`),
    async step(title, run, describe) {
      const startedAt = now()
      try {
        const result = await run()
        stepLine(style.good('✓'), title, describe(result), startedAt)
        return result
      } catch (error) {
        stepLine(style.bad('✗'), title, 'failed', startedAt)
        throw error
      }
    },
  }
}

/** https://no-color.org, https://force-color.org */
function wantsColour(output: Output, env: Record<string, string | undefined>): boolean {
  if ((env.NO_COLOR ?? '') !== '') return false
  if ((env.FORCE_COLOR ?? '') !== '') return env.FORCE_COLOR !== '0'
  return output.isTTY === true && env.TERM !== 'dumb'
}

function createStyle(colour: boolean): Style {
  const painted = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    colour ? styleText(format, text, { validateStream: false }) : stripVTControlCharacters(text)
  return {
    good: painted('green'),
    bad: painted('red'),
    dim: painted('dim'),
    strong: painted('bold'),
    command: painted('cyan'),
  }
}
