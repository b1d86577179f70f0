import { globSync } from 'node:fs'
import { join } from 'node:path'
import { type Limit, type LimitTable, withUnit } from '#lib'
import { code, generatedFrom, markdownTable } from './table.ts'

const root = join(import.meta.dirname, '../..')

const intro = `# Limits

${generatedFrom('the limit tables of the programs (`src/**/*limits.ts`)')}

Anyone who can write to one namespace decides how much work a class, a pod or a request is. Each of these amounts is bounded before the work
begins. An error beyond a limit names the limit, the amount that was found, and the flag that raises it, if there is one.
`

/** The text of docs/limits.md. */
export async function limitsPage(): Promise<string> {
  const tables = await limitTables()
  const sections = [...tables].map(([part, table]) => {
    const rows = Object.values(table).map(({ what, value, unit, beyond, flag = '' }) => [
      what,
      withUnit(value, unit),
      asPhrase(beyond),
      code(flag),
    ])
    return `## ${part}\n\n${markdownTable(['what', 'at most', 'beyond it', 'flag'], rows)}\n`
  })
  return [intro, ...sections].join('\n')
}

/** Without a capital letter and a full stop, as in the other cells. */
function asPhrase(text: string): string {
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1).replace(/\.$/, '')}`
}

/** The limits of each part, by its name. */
async function limitTables(): Promise<Map<string, LimitTable>> {
  const found = new Map<string, LimitTable>()
  for (const file of globSync('src/**/*limits.ts', { cwd: root }).toSorted()) {
    const exported = (await import(join(root, file))) as Record<string, unknown>
    const part = file.split('/').slice(1, 3).join('/')
    for (const value of Object.values(exported)) {
      if (isTable(value)) found.set(part, { ...found.get(part), ...value })
    }
  }
  return found
}

function isTable(value: unknown): value is LimitTable {
  if (typeof value !== 'object' || value === null) return false
  const limits = Object.values(value) as Partial<Limit>[]
  return limits.length > 0 && limits.every((one) => typeof one?.value === 'number' && typeof one.beyond === 'string')
}
