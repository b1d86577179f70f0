import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTerminal } from './terminal.ts'

function record(isTTY: boolean, env: Record<string, string> = {}) {
  const written = { stdout: '', stderr: '' }
  let ms = 0
  const terminal = createTerminal({
    stdout: { write: (text) => (written.stdout += text), isTTY },
    stderr: { write: (text) => (written.stderr += text), isTTY },
    env,
    now: () => (ms += 1234),
  })
  return { terminal, written }
}

test('a step is one line with a mark, a title, a time and what it gave; further lines stand below', async () => {
  const { terminal, written } = record(false)
  const given = await terminal.step(
    'Vault',
    async () => 42,
    (answer) => `made ${answer}\nand more`,
  )
  assert.equal(given, 42)
  assert.equal(written.stderr, '✓ Vault           1.23 s  made 42\n                          and more\n')
  assert.equal(written.stdout, '')
})

test('a step that throws gets its line and throws on', async () => {
  const { terminal, written } = record(false)
  const failing = terminal.step(
    'Vault',
    async () => {
      throw new Error('no')
    },
    () => '',
  )
  await assert.rejects(failing, /no/)
  assert.match(written.stderr, /^✗ Vault .*failed\n$/)
})

test('there is colour on a terminal, and none in a pipe or where NO_COLOR asks for none', () => {
  const styled = (isTTY: boolean, env: Record<string, string>) => record(isTTY, env).terminal.style.good('x')
  assert.equal(styled(true, {}), '\u001b[32mx\u001b[39m')
  assert.equal(styled(true, { NO_COLOR: '1' }), 'x')
  assert.equal(styled(true, { TERM: 'dumb' }), 'x')
  assert.equal(styled(false, {}), 'x')
  assert.equal(styled(false, { FORCE_COLOR: '1' }), '\u001b[32mx\u001b[39m')
})
