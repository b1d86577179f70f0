import type { Terminal } from '#terminal'
import type { Finding, Section } from './finding.ts'

export interface Report {
  pod: { namespace: string; name: string; phase: string; serviceAccount: string }
  sections: readonly Section[]
}

const indent = '  '

/** For people: a section per thing, a line per finding, and below what is wrong the commands that fix it. */
export function printReport({ pod, sections }: Report, terminal: Terminal): void {
  const { line, style } = terminal
  line(`Pod ${style.strong(`${pod.namespace}/${pod.name}`)} (${pod.phase}), service account ${pod.serviceAccount}`)
  const shown = sections.filter(({ findings }) => findings.length > 0)
  const checkWidth = Math.max(...shown.flatMap(({ findings }) => findings.map(({ check }) => check.length)))
  for (const { title, findings } of shown) {
    line()
    line(style.strong(title))
    for (const finding of findings) printFinding(finding, checkWidth, terminal)
  }
  line()
  line(summary(sections, terminal))
}

function printFinding({ check, status, text, fix = [] }: Finding, checkWidth: number, terminal: Terminal): void {
  const { line, style, width, wrap } = terminal
  const marks = { ok: style.good('✓'), problem: style.bad('✗'), note: style.dim('·'), unknown: style.dim('?') }
  const margin = ' '.repeat(indent.length + 2 + checkWidth + 2)
  const words = wrap(text, width - margin.length)
  const [first = '', ...rest] = status === 'unknown' ? words.map(style.dim) : words
  line(`${indent}${marks[status]} ${check.padEnd(checkWidth)}  ${first}`)
  for (const more of rest) line(`${margin}${more}`)
  // Commands are never wrapped, so that they can be copied.
  for (const command of fix) line(`${margin}${style.dim('→')} ${style.command(command)}`)
}

function summary(sections: readonly Section[], { style }: Terminal): string {
  const { problems, unknowns } = count({ sections })
  const rest = unknowns === 0 ? '' : `, ${unknowns} could not be checked`
  if (problems > 0) return style.bad(`${problems} ${problems === 1 ? 'thing is' : 'things are'} wrong${rest}.`)
  const failed = sections.some(({ about, findings }) => about === 'last error' && findings.length > 0)
  if (failed) return style.bad(`The identity is right${rest}. What fails is in the last error, above.`)
  return style.good(unknowns === 0 ? 'Nothing is wrong.' : `Nothing wrong was found${rest}.`)
}

export function count({ sections }: Pick<Report, 'sections'>): { problems: number; unknowns: number } {
  const statuses = sections.flatMap(({ findings }) => findings.map(({ status }) => status))
  const of = (wanted: Finding['status']) => statuses.filter((status) => status === wanted).length
  return { problems: of('problem'), unknowns: of('unknown') }
}
