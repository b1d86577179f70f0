// Everything that has to pass: each step names what it protects. Stops at the first that fails. `--quick` leaves the tests out.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const quick = process.argv.includes('--quick')
const root = join(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules/.bin', name)

const steps: { protects: string; command: string[]; slow?: true }[] = [
  { protects: 'Format and lint', command: [bin('biome'), 'check', '--error-on-warnings', '.'] },
  { protects: 'Types', command: [bin('tsc'), '-p', '.'] },
  { protects: 'Types of the page of the dashboard', command: [bin('tsc'), '-p', 'src/cli/dashboard/page'] },
  {
    protects: 'Time in proportion to the input: regular expressions of product code',
    command: [process.execPath, join(root, 'scripts/check-expressions.ts')],
  },
  { protects: 'Plain English', command: [process.execPath, join(root, 'scripts/check-language.ts')] },
  { protects: 'Charts', command: [process.execPath, join(root, 'scripts/chart-lint.ts')] },
  {
    protects: 'Tests, architecture, docs match code',
    command: [process.execPath, join(root, 'scripts/test.ts')],
    slow: true,
  },
]

for (const { protects, command } of steps.filter(({ slow }) => !(quick && slow))) {
  process.stderr.write(`\n=== ${protects}\n`)
  const { status } = spawnSync(command[0] ?? '', command.slice(1), { cwd: root, stdio: 'inherit' })
  if (status !== 0) {
    process.stderr.write(`\n=== failed: ${protects}\n`)
    process.exit(status ?? 1)
  }
}
process.stderr.write('\n=== all checks passed\n')
