import { wrapText } from '#lib/formats'
import type { Terminal } from '#terminal'
import type { Finding, Section } from './finding.ts'

export interface Report {
  pod: { namespace: string; name: string; phase: string; serviceAccount: string }
  sections: readonly Section[]
}

const indent = '  '

/** For people: a section per thing, a line per finding, and below what is wrong the command that mends it. */
export function printReport({ pod, sections }: Report, { line, style }: Pick<Terminal, 'line' | 'style'>): void {
  line(`Pod ${style.strong(`${pod.namespace}/${pod.name}`)} (${pod.phase}), service account ${pod.serviceAccount}`)
  const shown = sections.filter(({ findings }) => findings.length > 0)
  const width = Math.max(...shown.flatMap(({ findings }) => findings.map(({ check }) => check.length)))
  for (const { title, findings } of shown) {
    line()
    line(style.strong(title))
    for (const finding of findings) printFinding(finding)
  }
  line()
  line(summary())

  function printFinding({ check, status, text, fix = [] }: Finding): void {
    const marks = { ok: style.good('✓'), problem: style.bad('✗'), note: style.dim('·'), unknown: style.dim('?') }
    const words = wrapText(text)
    const margin = ' '.repeat(indent.length + 2 + width + 2)
    const body = status === 'unknown' ? words.map(style.dim) : words
    line(`${indent}${marks[status]} ${check.padEnd(width)}  ${body[0] ?? ''}`)
    for (const more of body.slice(1)) line(`${margin}${more}`)
    for (const command of fix) line(`${margin}${style.dim('→')} ${style.command(command)}`)
  }

  function summary(): string {
    const { problems, unknowns } = count({ sections })
    const rest = unknowns === 0 ? '' : `, ${unknowns} could not be checked`
    if (problems === 0) return style.good(unknowns === 0 ? 'Nothing is wrong.' : `Nothing wrong was found${rest}.`)
    return style.bad(`${problems} ${problems === 1 ? 'thing is' : 'things are'} wrong${rest}.`)
  }
}

export function count({ sections }: Pick<Report, 'sections'>): { problems: number; unknowns: number } {
  const statuses = sections.flatMap(({ findings }) => findings.map(({ status }) => status))
  const of = (wanted: Finding['status']) => statuses.filter((status) => status === wanted).length
  return { problems: of('problem'), unknowns: of('unknown') }
}
