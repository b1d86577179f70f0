import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { startShell } from './shell-session.ts'

function shellFor(t: TestContext) {
  const directory = temporaryDirectory(t, 'shell-session-')
  const shell = startShell(directory, { PATH: process.env.PATH ?? '' })
  t.after(() => shell.stop())
  return shell
}

test('variables and functions stay from command to command', async (t) => {
  const shell = shellFor(t)
  await shell.type('NAME=$(echo contoso)\ngreet() { echo "hello $1"; }')
  assert.deepEqual(await shell.type('greet $NAME'), { status: 0, stdout: 'hello contoso\n', stderr: '' })
})

test('a command that fails is noticed in the middle of several, in a substitution and before a pipe', async (t) => {
  const shell = shellFor(t)
  for (const text of [
    'false\necho after',
    'X=$(exit 1)\necho after',
    'false | cat\necho after',
    'cat <<E | false\nx\nE',
  ]) {
    assert.equal((await shell.type(text)).status, 1, text)
  }
  assert.equal((await shell.type('if false; then :; fi; ! false; false || true')).status, 0)
})

test('a shell that ends is reported, with the command that it ran', async (t) => {
  const shell = shellFor(t)
  await assert.rejects(shell.type('exit 3'), /bash ended while it ran:\nexit 3/)
})
