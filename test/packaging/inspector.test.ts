import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { nodeFlags } from '#packaging/image'
import { eventually } from '../support/eventually.ts'

/** A process that got SIGUSR1 once it was up. */
async function signalled(t: TestContext, flags: readonly string[]) {
  const script = "setInterval(() => {}, 1000); console.log('up')"
  const child = spawn(process.execPath, [...flags, '--inspect-port=127.0.0.1:0', '-e', script])
  t.after(() => child.kill('SIGKILL'))
  const found = { child, errors: '' }
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    found.errors += chunk
  })
  await once(child.stdout, 'data')
  child.kill('SIGUSR1')
  return found
}

test('SIGUSR1 opens no inspector in a container of the image, as it does without the flags of the image', async (t) => {
  const [image, plain] = await Promise.all([signalled(t, nodeFlags), signalled(t, [])])
  await eventually(() => assert.match(plain.errors, /Debugger listening/))
  assert.equal(image.errors, '')
  assert.equal(image.child.exitCode, null)
})
