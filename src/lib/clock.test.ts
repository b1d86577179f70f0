import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { sleep, systemClock } from './clock.ts'

/** Runs this module in a process that has nothing else to do. */
async function alone(source: string): Promise<string> {
  const clock = join(import.meta.dirname, 'clock.ts')
  const words = ['--input-type=module', '-e', `import { sleep, systemClock } from ${JSON.stringify(clock)}\n${source}`]
  return (await promisify(execFile)(process.execPath, words)).stdout
}

test('sleep() without a clock keeps the process alive, and a timer of the clock does not', async () => {
  assert.equal(await alone("await sleep(20); console.log('awake')"), 'awake\n')
  assert.equal(await alone("sleep(20, { clock: systemClock }).then(() => console.log('awake'))"), '')
})

test('sleep() rejects with the reason of its signal, before and while it waits', async () => {
  const early = AbortSignal.abort(new Error('early'))
  await assert.rejects(sleep(60_000, { signal: early }), /early/)
  for (const clock of [undefined, systemClock]) {
    const abort = new AbortController()
    const waiting = sleep(60_000, { signal: abort.signal, ...(clock === undefined ? {} : { clock }) })
    abort.abort(new Error('late'))
    await assert.rejects(waiting, /late/)
  }
})
