/** docs/emulator.md, typed as its reader does, with the official SDK for Python and the real pytest. */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { findProgram } from '../support/find-program.ts'
import { cliEnvironment } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/emulator.md'), 'utf8')

const python = findProgram('azure-sdk-python', 'KEYMOUNT_SDK_PYTHON')
const hasPytest = python !== undefined && spawnSync(python, ['-c', 'import pytest']).status === 0
const skip = hasPytest
  ? false
  : 'pytest and the Azure SDK for Python are not installed: see test/lab/azure/sdks.test.ts'

function blockOf(start: string): string {
  const [, text = ''] = page.split(`\n\`\`\`${start}\n`)
  const [block = ''] = text.split('\n```\n')
  assert.notEqual(block, '', `the page has no block that begins with ${start}`)
  return block
}

/** The reader's directory after the installation: the clone is this one, and the environment has pytest and the SDK. */
function readersDirectory(t: TestContext): string {
  const directory = temporaryDirectory(t)
  symlinkSync(root, join(directory, 'keymount'))
  mkdirSync(join(directory, '.venv/bin'), { recursive: true })
  const pytest = join(directory, '.venv/bin/pytest')
  writeFileSync(pytest, `#!/bin/sh\nexec "${python}" -B -m pytest -p no:cacheprovider "$@"\n`)
  chmodSync(pytest, 0o755)
  return directory
}

function type(text: string, cwd: string): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile('bash', ['-e', '-c', text], { cwd, env: { ...cliEnvironment(), TMPDIR: cwd } }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${text}\n${stdout}${stderr}`)),
    ),
  )
}

test('the first test of docs/emulator.md passes', { skip }, async (t) => {
  const directory = readersDirectory(t)
  assert.match(await type(blockOf('bash typed'), directory), /1 passed/)
})

test('the fixture of docs/emulator.md starts an emulator for the same test, and stops it', { skip }, async (t) => {
  const directory = readersDirectory(t)
  const [makeTest = ''] = blockOf('bash typed').split('\nnode keymount/')
  await type(makeTest, directory)
  writeFileSync(join(directory, 'conftest.py'), `${blockOf('python')}\n`)
  assert.match(await type('.venv/bin/pytest test_password.py', directory), /1 passed/)
  assert.equal(await type('ls -d keymount-azure-* 2>/dev/null || true', directory), '')
})
