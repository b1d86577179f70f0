import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTerminal } from './terminal.ts'

interface Setup {
  isTTY?: boolean
  columns?: number
  env?: Record<string, string>
  programName?: string
}

function record({ isTTY = false, columns, env = {}, programName }: Setup = {}) {
  const written = { stdout: '', stderr: '' }
  let ms = 0
  const terminal = createTerminal({
    stdout: { write: (text) => (written.stdout += text), isTTY, columns },
    stderr: { write: (text) => (written.stderr += text), isTTY, columns },
    env,
    programName,
    now: () => (ms += 1234),
  })
  return { terminal, written }
}

const clearLine = '\r\u001b[2K'

test('a step is one line with a mark, a title, a time and its result; further lines are below the result', async () => {
  const { terminal, written } = record()
  const given = await terminal.step(
    'Vault',
    async () => 42,
    (answer) => `made ${answer}\nand more`,
  )
  assert.equal(given, 42)
  assert.equal(written.stderr, '✓ Vault           1.23 s  made 42\n                          and more\n')
  assert.equal(written.stdout, '')
})

test('what a text has for the terminal is shown instead of obeyed: titles, the clipboard, the cursor, the direction of text', async () => {
  const hostile = [
    '\u001b]0;title\u0007',
    '\u001b]52;c;eA==\u0007',
    '\u001b[2J',
    '\u001b[8m',
    '\u009b2J',
    '\r',
    '\b',
    '\u202e',
    '\u2028',
  ]
  for (const isTTY of [true, false]) {
    const { terminal, written } = record({ isTTY, env: { FORCE_COLOR: '1', TERM: 'dumb' } })
    for (const text of hostile) {
      terminal.line(terminal.style.bad(`a${text}b`))
      terminal.error(`a${text}b`)
      await terminal.step('Vault', async () => text, String)
    }
    const all = `${written.stdout}${written.stderr}`.replaceAll(/\p{Cc}\[(31|32|1|2|22|39)m/gu, '')
    assert.match(all, /a\\u001b\]0;title\\u0007b/)
    assert.doesNotMatch(all, /(?!\n)[\p{Cc}\u202e\u2028]/u)
  }
  const { terminal, written } = record()
  terminal.line(JSON.stringify({ a: '\u009b\u001b' }))
  assert.deepEqual(JSON.parse(written.stdout), { a: '\u009b\u001b' })
  terminal.error('two\r\nlines\tof a program')
  assert.equal(written.stderr, 'two\nlines\tof a program\n')
})

test('a step that throws gets its line, and rethrows', async () => {
  const { terminal, written } = record()
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

test('a long result is wrapped at 80 columns in a pipe, and at the width of a terminal', async () => {
  const text = 'words that are wrapped '.repeat(8).trim()
  for (const [setup, width] of [
    [{}, 80],
    [{ isTTY: true, columns: 60, env: { TERM: 'dumb' } }, 60],
    [{ isTTY: true, columns: 500, env: { TERM: 'dumb' } }, 120],
  ] as const) {
    const { terminal, written } = record(setup)
    await terminal.step(
      'Long',
      async () => text,
      (result) => result,
    )
    const lines = written.stderr.trimEnd().split('\n')
    assert.ok(lines.length > 1)
    assert.ok(
      lines.every((line) => line.length <= width),
      written.stderr,
    )
    assert.equal(lines.map((line) => line.slice(26)).join(' '), text)
  }
})

test('on a terminal, the running steps are on the last line until they have ended', async () => {
  const { terminal, written } = record({ isTTY: true, columns: 80, env: { NO_COLOR: '1' } })
  const first = Promise.withResolvers<string>()
  const second = Promise.withResolvers<string>()
  const running = [
    terminal.step(
      'Cluster',
      () => first.promise,
      (text) => text,
    ),
    terminal.step(
      'Azure',
      () => second.promise,
      (text) => text,
    ),
  ]
  assert.ok(written.stderr.startsWith(`${clearLine}… Cluster`), JSON.stringify(written.stderr))
  assert.match(written.stderr, /… Cluster, Azure \(\d+ s\)$/)
  terminal.line('in between')
  first.resolve('is up')
  second.resolve('too')
  await Promise.all(running)
  assert.equal(written.stdout, 'in between\n')
  // What a terminal shows in the end: every line but the cleared ones.
  const shown = written.stderr.split('\n').map((line) => line.split(clearLine).at(-1))
  assert.deepEqual(shown.map((line) => line?.replace(/\d+\.\d+ s/, 'N s')).slice(-3), [
    '✓ Cluster         N s  is up',
    '✓ Azure           N s  too',
    '',
  ])
})

test('commands in messages are spelled as the user calls the program', () => {
  const { terminal, written } = record({ programName: 'npx keymount' })
  terminal.line('start it: keymount up --home /x')
  terminal.line('eval "$(keymount env)"')
  terminal.line('az aks update --resource-group keymount --name keymount --enable-workload-identity')
  terminal.error('keymount: helm install keymount charts/keymount; helm repo add keymount http://x')
  assert.equal(
    written.stdout,
    'start it: npx keymount up --home /x\neval "$(npx keymount env)"\naz aks update --resource-group keymount --name keymount --enable-workload-identity\n',
  )
  assert.equal(written.stderr, 'keymount: helm install keymount charts/keymount; helm repo add keymount http://x\n')
})

test('a text is wrapped as it is printed, with the program as the user calls it, in one piece and once', () => {
  const { terminal, written } = record({ programName: 'npx keymount' })
  const text = 'The lab was never up here, so start it with keymount up and see it with npx keymount status afterwards.'
  for (let width = 20; width <= 100; width++) {
    const lines = terminal.wrap(text, width)
    assert.ok(
      lines.every((line) => line.length <= width),
      lines.join('\n'),
    )
    for (const line of lines) assert.doesNotMatch(line, /npx npx|npx$|^keymount/)
    assert.equal(lines.join(' ').match(/npx keymount/g)?.length, 2)
  }
  for (const line of terminal.wrap(text, 24)) terminal.line(line)
  assert.equal(written.stdout.match(/npx/g)?.length, 2)
})

test('there is colour on a terminal, and none in a pipe or where NO_COLOR asks for none', () => {
  const styled = (isTTY: boolean, env: Record<string, string>) => record({ isTTY, env }).terminal.style.good('x')
  assert.equal(styled(true, {}), '\u001b[32mx\u001b[39m')
  assert.equal(styled(true, { NO_COLOR: '1' }), 'x')
  assert.equal(styled(true, { TERM: 'dumb' }), 'x')
  assert.equal(styled(false, {}), 'x')
  assert.equal(styled(false, { FORCE_COLOR: '1' }), '\u001b[32mx\u001b[39m')
  assert.equal(styled(true, { FORCE_COLOR: '0' }), 'x')
})
