/** `npm test` as a developer runs it: in a terminal, in a shell whose variables are unlike those of a build machine. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { eventually } from './support/eventually.ts'
import { temporaryDirectory } from './support/temporary-directory.ts'

const root = join(import.meta.dirname, '..')
const hasScript = spawnSync('script', ['--version']).error === undefined
const options = { skip: !hasScript && 'script (util-linux) is not installed' }

/** Runs files of tests on a pseudo-terminal. */
function startOnTerminal(t: TestContext, files: readonly string[]) {
  const home = join(temporaryDirectory(t), 'odd home ü')
  mkdirSync(home)
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOME: home,
    TMPDIR: process.env.TMPDIR,
    TERM: 'xterm-256color',
    COLUMNS: '10',
    FORCE_COLOR: '3',
    LANG: 'tr_TR.UTF-8',
    LC_ALL: 'tr_TR.UTF-8',
    TZ: 'Pacific/Kiritimati',
    EDITOR: 'false',
    PAGER: 'false',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    https_proxy: 'http://127.0.0.1:9',
    KUBECONFIG: '/nonexistent',
    KEYMOUNT_HOME: '/nonexistent',
  }
  const words = [process.execPath, join(root, 'scripts/test.ts'), ...files].map((word) => `'${word}'`).join(' ')
  const terminal = spawn('script', ['-qec', words, '/dev/null'], { cwd: root, env, stdio: ['pipe', 'pipe', 'pipe'] })
  t.after(() => terminal.kill('SIGKILL'))
  let text = ''
  terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return {
    output: () => stripVTControlCharacters(text),
    type: (keys: string) => terminal.stdin.write(keys),
    ended: once(terminal, 'close').then(([code]) => code as number | null),
  }
}

test(
  'tests of the command line and of what it prints pass in a terminal with the variables of an odd shell',
  options,
  async (t) => {
    const files = [
      'src/terminal/terminal.test.ts',
      'src/cli/build-program.test.ts',
      'test/cli/explain.test.ts',
      'test/cli/completion.test.ts',
    ]
    const run = startOnTerminal(t, files)
    assert.equal(await run.ended, 0, run.output())
    assert.match(run.output(), /ℹ fail 0/)
  },
)

test('Ctrl-C in a terminal ends a run with its summary, and leaves no process behind', options, async (t) => {
  const file = join(temporaryDirectory(t), 'hangs.test.mjs')
  const marker = `${70_000 + process.pid}.25`
  writeFileSync(
    file,
    `import { test } from 'node:test'
     import { spawn } from 'node:child_process'
     test('hangs', async () => {
       spawn('sleep', ['${marker}'], { detached: true, stdio: 'ignore' })
       setInterval(() => {}, 1000)
       await new Promise(() => {})
     })`,
  )
  const sleeping = () => spawnSync('pgrep', ['-f', `^sleep ${marker}$`]).status === 0
  const run = startOnTerminal(t, [file])
  await eventually(() => assert.ok(sleeping(), run.output()))
  run.type('\u0003')
  assert.equal(await run.ended, 130, run.output())
  assert.match(run.output(), /Interrupted\.[\s\S]*ℹ cancelled 1/)
  await eventually(() => assert.ok(!sleeping()))
})
