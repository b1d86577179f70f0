import type { Output } from './output.ts'
import { printable } from './printable.ts'

/**
 * The last line of a terminal while steps run: their titles and how long they have taken. Everything else that is written
 * to the terminal goes through {@link ProgressLine.above}, so that it never ends up in the middle of that line.
 */
export interface ProgressLine {
  /** Shows the title until the returned function is called. */
  show(title: string): () => void
  /** Writes something above the line. */
  above(write: () => void): void
}

const clearLine = '\r\u001b[2K'
const redrawMs = 200

export function createProgressLine(output: Output, now: () => number): ProgressLine {
  const running = new Map<symbol, { title: string; startedAt: number }>()
  let timer: NodeJS.Timeout | undefined

  function draw(): void {
    const [first] = running.values()
    if (first === undefined) return
    const titles = [...running.values()].map(({ title }) => title).join(', ')
    const seconds = Math.floor((now() - first.startedAt) / 1000)
    const text = `… ${titles}${seconds < 1 ? '' : ` (${seconds} s)`}`
    // A line that wraps could not be cleared.
    output.write(`${clearLine}${printable(text).slice(0, Math.max((output.columns ?? 80) - 1, 1))}`)
  }

  return {
    show(title) {
      const key = Symbol(title)
      running.set(key, { title, startedAt: now() })
      timer ??= setInterval(draw, redrawMs)
      timer.unref()
      draw()
      return () => {
        running.delete(key)
        if (running.size > 0) return
        clearInterval(timer)
        timer = undefined
        output.write(clearLine)
      }
    },
    above(write) {
      if (running.size > 0) output.write(clearLine)
      write()
      draw()
    },
  }
}

/** For pipes, files and dumb terminals: no line. */
export const noProgressLine: ProgressLine = { show: () => () => undefined, above: (write) => write() }
