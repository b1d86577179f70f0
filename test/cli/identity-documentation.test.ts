import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { runCli } from '../support/run-cli.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/identity.md'), 'utf8')

/** The command lines of the page's shell blocks, lines that are continued joined. */
const commands = [...page.matchAll(/^```bash\n([\s\S]*?)^```/gm)]
  .flatMap(([, block]) => (block ?? '').replaceAll('\\\n', ' ').split('\n'))
  .filter((line) => line.startsWith('keymount '))
  .map((line) => line.replace(/\s+# .*$/, ''))

/** The words up to the first option: `identity serviceaccount create`. */
function pathOf(command: string): string[] {
  const words = command.trim().split(/\s+/).slice(1)
  const end = words.findIndex((word) => word.startsWith('-'))
  return words.slice(0, end < 0 ? words.length : end)
}

test('the page shows every command', () => {
  const shown = new Set(commands.map((command) => pathOf(command).slice(0, 2).join(' ')))
  assert.deepEqual([...shown].toSorted(), [
    'identity doctor',
    'identity jwks',
    'identity plan',
    'identity serviceaccount',
    'podidentity detect',
  ])
})

for (const command of commands) {
  test(`docs/identity.md: ${command.replaceAll(/\s+/g, ' ')}`, async () => {
    const path = pathOf(command)
    const { code, stdout } = await runCli([
      ...path.filter((word) => !word.includes('orders') && word !== 'manifests'),
      '--help',
    ])
    assert.equal(code, 0)
    for (const [flag] of command.matchAll(/(?<=\s)--?[a-z][a-z-]*/g)) {
      assert.ok(new RegExp(`(^|[\\s,])${flag}[\\s,]`).test(stdout), `${flag} is not in the help of ${path.join(' ')}`)
    }
  })
}

test('commands that change something show what they would do', async () => {
  const creating = commands.filter((command) => command.includes(' serviceaccount '))
  assert.ok(creating.length >= 4)
  for (const command of creating) {
    const values = {
      ISSUER: 'https://issuer.example/',
      SUBSCRIPTION: 's',
      CLIENT_ID: '11111111-2222-3333-4444-555555555555',
    }
    const known: Record<string, string> = { ...values, ASSIGNMENT_ID: '/subscriptions/s/x' }
    const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
    const filled = words.slice(1).map((word) => word.replaceAll(/\$(\w+)/g, (_, name: string) => known[name] ?? ''))
    const { code, stdout, stderr } = await runCli([...filled, '--dry-run'])
    assert.equal(code, 0, `${command}\n${stderr}`)
    assert.match(stdout, /^(az|kubectl) /m)
  }
})
