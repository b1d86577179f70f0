/** `npm test` itself: what it prints, what it hands to tests, and that nothing is left of a run. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { eventually } from './support/eventually.ts'
import { temporaryDirectory } from './support/temporary-directory.ts'

const runner = join(import.meta.dirname, '../scripts/test.ts')

interface Run {
  output(): string
  interrupt(): void
  ended: Promise<number | null>
}

function startRunner(t: TestContext, files: Record<string, string>, env: Record<string, string> = {}): Run {
  const directory = temporaryDirectory(t)
  const paths = Object.entries(files).map(([name, text]) => {
    const path = join(directory, name)
    writeFileSync(path, text)
    return path
  })
  return startRunnerOn(t, paths, env)
}

function startRunnerOn(t: TestContext, paths: readonly string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [runner, ...paths], { env: { ...process.env, ...env } })
  t.after(() => child.kill('SIGTERM'))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  }
  return {
    output: () => text,
    interrupt: () => child.kill('SIGINT'),
    ended: once(child, 'close').then(([code]) => code as number | null),
  }
}

const head = "import { test } from 'node:test'\nimport assert from 'node:assert/strict'\n"

test('a run ends with what failed, and with what was skipped, by reason', async (t) => {
  const run = startRunner(t, {
    'a.test.mjs': `${head}test('skips', { skip: 'helm is not installed' }, () => {})\ntest('passes', () => {})`,
    'b.test.mjs': `${head}test('outer', (t) => t.test('inner', () => assert.equal(1, 2, 'one is not two')))`,
    'c.test.mjs': "throw new Error('cannot be loaded')",
  })
  assert.equal(await run.ended, 1)
  const output = run.output()
  const [progress = '', summary = ''] = output.split('\nFailed:\n')
  assert.match(progress, /✖ \S*b\.test\.mjs › outer › inner\n\s+AssertionError \[ERR_ASSERTION\]: one is not two/)
  assert.match(progress, /✖ \S*c\.test\.mjs\n[\s\S]*Error: cannot be loaded/)
  assert.match(summary, /^ {2}✖ \S*b\.test\.mjs › outer › inner$/m)
  assert.match(summary, /^ {5}1 {2}helm is not installed\n {8}in \S*a\.test\.mjs$/m)
  assert.match(summary, /^ℹ pass 1\nℹ fail 2\nℹ cancelled 0\nℹ skipped 1$/m)
})

test('a failure is printed while other files still run', async (t) => {
  const run = startRunner(t, {
    'fails.test.mjs': `${head}test('fails', () => assert.fail('at once'))`,
    'runs.test.mjs': `${head}test('runs', () => new Promise((resolve) => setTimeout(resolve, 60_000)))`,
  })
  await eventually(() => assert.match(run.output(), /at once/))
  assert.doesNotMatch(run.output(), /Failed:/)
  run.interrupt()
  assert.equal(await run.ended, 130)
})

test('a folder is all test files below it, and a path without tests is an error', async (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'below'))
  for (const name of ['a.test.ts', 'below/b.test.ts', 'c.ts']) {
    writeFileSync(join(directory, name), `${head}test('in ${name}', () => {})`)
  }
  const folder = startRunnerOn(t, [directory])
  assert.equal(await folder.ended, 0)
  assert.match(folder.output(), /^ℹ pass 2$/m)
  const missing = startRunnerOn(t, [join(directory, 'typo.test.ts')])
  assert.equal(await missing.ended, 1)
  assert.match(missing.output(), /^keymount: there is no test file \S*typo\.test\.ts/)
})

test('Ctrl-C leaves no process and no file behind', async (t) => {
  const report = join(temporaryDirectory(t), 'made')
  const marker = `${60_000 + process.pid}.25`
  const run = startRunner(t, {
    'hangs.test.mjs': `${head}
      import { spawn } from 'node:child_process'
      import { mkdtempSync, writeFileSync } from 'node:fs'
      import { tmpdir } from 'node:os'
      import { join } from 'node:path'
      test('hangs', async () => {
        writeFileSync(${JSON.stringify(report)}, mkdtempSync(join(tmpdir(), 'left-')))
        spawn('sleep', ['${marker}'], { detached: true, stdio: 'ignore' })
        setInterval(() => {}, 1000)
        await new Promise(() => {})
      })`,
  })
  await eventually(() => assert.ok(commandLines().includes(`sleep\0${marker}\0`)))
  run.interrupt()
  assert.equal(await run.ended, 130)
  assert.match(run.output(), /Interrupted\.[\s\S]*ℹ cancelled 1/)
  await eventually(() => assert.ok(!commandLines().includes(`sleep\0${marker}\0`)))
  assert.equal(existsSync(readFileSync(report, 'utf8')), false)
})

test('temporary files of a run are removed, and variables of terminals are not handed to tests', async (t) => {
  const directory = temporaryDirectory(t)
  const report = join(directory, 'seen.json')
  const run = startRunner(
    t,
    {
      'env.test.mjs': `${head}
        import { mkdtempSync, writeFileSync } from 'node:fs'
        import { tmpdir } from 'node:os'
        import { join } from 'node:path'
        test('looks', () => {
          const { FORCE_COLOR, COLUMNS, TERM, LANG } = process.env
          const left = mkdtempSync(join(tmpdir(), 'left-'))
          writeFileSync(${JSON.stringify(report)}, JSON.stringify({ FORCE_COLOR, COLUMNS, TERM, LANG, left }))
        })`,
    },
    { FORCE_COLOR: '3', COLUMNS: '10', TERM: 'xterm', LANG: 'tr_TR.UTF-8' },
  )
  assert.equal(await run.ended, 0)
  const { left, ...seen } = JSON.parse(readFileSync(report, 'utf8'))
  assert.deepEqual(seen, { LANG: 'tr_TR.UTF-8' })
  assert.equal(existsSync(left), false)
})

function commandLines(): string[] {
  return globSync('/proc/[0-9]*/cmdline').map((path) => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return ''
    }
  })
}
