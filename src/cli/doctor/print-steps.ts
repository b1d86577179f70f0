import { countOf, type Terminal } from '#terminal'
import type { DoctorReport } from './report.ts'
import type { Step } from './step.ts'

/** For people: a row for each step, and below the one that is wrong the commands that fix it. */
export function printReport({ title, steps, notes }: DoctorReport, terminal: Terminal): void {
  const { line, style } = terminal
  line(style.strong(title))
  line()
  const reached = steps.filter(({ state }) => state !== 'not-reached')
  const titleWidth = Math.max(...reached.map((step) => step.title.length))
  for (const step of reached) printStep(step, titleWidth, terminal)
  const rest = steps.filter(({ state }) => state === 'not-reached').map(({ id }) => id)
  if (rest.length > 0) line(style.dim(`  · not reached: ${rest.join(', ')}`))
  for (const note of notes) {
    line()
    for (const text of terminal.wrap(note, terminal.width)) line(text)
  }
  line()
  line(summaryOf(steps, terminal))
}

function printStep(step: Step, titleWidth: number, { line, style, width, wrap }: Terminal): void {
  const { id, title, state, code, found = '', fix = [] } = step
  const marks = { ok: style.good('✓'), fail: style.bad('✗'), warn: style.bad('!'), unknown: style.dim('?') }
  const mark = state === 'not-reached' ? style.dim('·') : marks[state]
  const margin = ' '.repeat(2 + 2 + 3 + titleWidth + 2)
  const hasCode = code === undefined || found.startsWith(`[${code}] `)
  const text = hasCode ? found : `[${code}] ${found}`
  const [first = '', ...more] = wrap(text, Math.max(width - margin.length, 24))
  line(`  ${mark} ${id} ${title.padEnd(titleWidth)}  ${state === 'unknown' ? style.dim(first) : first}`)
  for (const words of more) line(`${margin}${state === 'unknown' ? style.dim(words) : words}`)
  // Commands are never wrapped, so that they can be pasted.
  for (const command of state === 'ok' ? [] : fix) line(`${margin}${style.dim('→')} ${style.command(command)}`)
}

function summaryOf(steps: readonly Step[], { style }: Terminal): string {
  const wrong = steps.filter(({ state }) => state === 'fail').map(({ id, title }) => `${id} ${title}`)
  if (wrong.length > 0) return style.bad(`${wrong.join(', ')} ${wrong.length > 1 ? 'are' : 'is'} wrong.`)
  const warnings = steps.filter(({ state }) => state === 'warn').length
  const unknown = steps.filter(({ state }) => state === 'unknown').length
  const rest = [
    ...(warnings === 0 ? [] : [countOf(warnings, 'remark')]),
    ...(unknown === 0 ? [] : [`${unknown} could not be checked`]),
  ].join(', ')
  return rest === '' ? style.good('Nothing is wrong.') : `Nothing wrong was found; ${rest}.`
}
