import { countOf, createTerminal, oneLine, shortList, type Terminal } from '#terminal'
import { type Outcome, rulesOf } from './convert.ts'
import { asJson, exitCodeOf } from './migrate.ts'
import type { SourceCommand } from './migrate-options.ts'
import { readAndConvert } from './read-and-convert.ts'
import { countsOf, summaryOf } from './report.ts'
import { sources } from './sources/index.ts'

export interface CheckCommand extends SourceCommand {
  json: boolean
}

/** `keymount migrate check`: what there is, how much of it converts, and what has to change first. */
export async function checkMigration(command: CheckCommand): Promise<number> {
  const { json, world } = command
  const terminal = createTerminal(world)
  const converted = await readAndConvert(command)
  const { outcomes, problems } = converted
  if (json) terminal.line(JSON.stringify({ ...asJson(converted), reasons: reasonsOf(outcomes) }, undefined, 2))
  else print(outcomes, terminal)
  for (const problem of problems) terminal.error(`not read: ${oneLine(problem)}`)
  return exitCodeOf(converted)
}

function print(outcomes: readonly Outcome[], { line, style }: Terminal): void {
  if (outcomes.length === 0) {
    line('There is nothing to migrate: no object of another tool, and no class of the Azure provider.')
    return
  }
  line(summaryOf(outcomes))
  for (const source of sources) {
    const own = outcomes.filter((one) => one.source === source)
    if (own.length === 0) continue
    line(`\n${style.strong(source.title)}`)
    for (const [kind, all] of Map.groupBy(own, ({ manifest }) => manifest.kind)) line(`  ${kindLine(kind, all)}`)
  }
  const reasons = reasonsOf(outcomes)
  if (reasons.length === 0) return
  line(`\n${style.strong('What has to change first')}`)
  for (const { id, title, right, objects } of reasons) {
    line(`  ${id} ${title}: ${countOf(objects.length, 'object')} (${shortList(objects, 3)})`)
    line(`      ${style.dim('expected:')} ${right}`)
  }
}

function kindLine(kind: string, all: readonly Outcome[]): string {
  const { converted, unchanged, absorbed, leftOut } = countsOf(all)
  const parts = [
    converted > 0 ? `${converted} converted` : '',
    unchanged > 0 ? `${unchanged} unchanged` : '',
    absorbed > 0 ? `${absorbed} go into other objects` : '',
    leftOut > 0 ? `${leftOut} left out` : '',
  ]
  return `${kind}: ${all.length} (${parts.filter((part) => part !== '').join(', ')})`
}

/** Rules that leave objects out, those with most objects first. */
function reasonsOf(outcomes: readonly Outcome[]) {
  const byRule = new Map<string, { title: string; right: string; objects: Set<string> }>()
  for (const { source, findings } of outcomes) {
    const rules: Readonly<Record<string, { title: string; right: string }>> = rulesOf(source)
    for (const { id, severity, object } of findings) {
      if (severity !== 'error') continue
      const { title = '', right = '' } = rules[id] ?? {}
      const entry = byRule.get(id) ?? { title, right, objects: new Set<string>() }
      byRule.set(id, entry)
      entry.objects.add(`${object.kind} ${object.namespace === '' ? '' : `${object.namespace}/`}${object.name}`)
    }
  }
  return [...byRule]
    .map(([id, { title, right, objects }]) => ({ id, title, right, objects: [...objects] }))
    .toSorted((a, b) => b.objects.length - a.objects.length || (a.id < b.id ? -1 : 1))
}
