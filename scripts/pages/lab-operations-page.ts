import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeOperations, type OperationRow, type ServiceReference } from '#lab/azure'
import { code, generatedFrom, markdownTable } from './table.ts'

const intro = `# Operations of the local Azure

${generatedFrom('the operation tables of the local Azure')}

[lab.md](lab.md) describes what these operations support. The names are those of the counters and of the error texts:
\`curl --unix-socket $S/control.sock http://lab/requests\` counts requests by them, and an operation of Azure that is not implemented is
refused with status 501 and its name.
`

const titles: Record<keyof Awaited<ReturnType<typeof describeOperations>>, string> = {
  entra: 'Microsoft Entra ID',
  arm: 'Azure Resource Manager',
  graph: 'Microsoft Graph',
  keyvault: 'Key Vault',
  queue: 'Storage queues',
  eventgrid: 'Event Grid namespaces',
  imds: 'Instance metadata service',
}

/** The text of docs/lab-operations.md. */
export async function labOperationsPage(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'keymount-operations-'))
  try {
    const services = await describeOperations(directory)
    const names = Object.keys(titles) as (keyof typeof titles)[]
    return [intro, ...names.map((name) => section(titles[name], services[name]))].join('\n')
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function section(title: string, { implemented, notImplemented }: ServiceReference): string {
  return `## ${title}\n\n${table(implemented)}\n\nNot implemented:\n\n${table(notImplemented)}\n`
}

/** One row for each operation. Columns that no operation fills are left out. */
function table(operations: readonly OperationRow[]): string {
  const byName = Map.groupBy(operations, ({ operation }) => operation)
  const columns: [head: string, cell: (rows: readonly OperationRow[]) => string][] = [
    ['operation', ([row]) => code(row?.operation ?? '')],
    ['request', (rows) => rows.map((row) => code(`${row.method} ${pathOf(row)}`)).join('\n')],
    ['RBAC action', ([row]) => code(row?.requires ?? '')],
    ['access policy', ([row]) => code(row?.requiresPolicy ?? '')],
  ]
  const groups = [...byName.values()]
  const used = columns.filter(([, cell]) => groups.some((rows) => cell(rows) !== ''))
  return markdownTable(
    used.map(([head]) => head),
    groups.map((rows) => used.map(([, cell]) => cell(rows))),
  )
}

/** The pattern in the notation of Azure's reference: `/secrets/{name}[/{version}]`. */
function pathOf({ path }: OperationRow): string {
  return path
    .replaceAll(/:(\w+)\{[^}]*\}/g, '{$1}')
    .replaceAll(/\/:(\w+)\?(?=\/|$)/g, '[/{$1}]')
    .replaceAll(/:(\w+)/g, '{$1}')
}
