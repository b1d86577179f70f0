import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { lockDirectory } from './lock-directory.ts'

test('a directory has one holder at a time', async (t) => {
  const directory = temporaryDirectory(t, 'keymount-lock-')
  const first = await lockDirectory(directory)
  await assert.rejects(lockDirectory(directory), /Cannot work in .*: another process does/)
  await first.stop()
  const second = await lockDirectory(directory)
  await second.stop()
})

test('the lock of a killed process is free', async (t) => {
  const directory = temporaryDirectory(t, 'keymount-lock-')
  const program = `import { lockDirectory } from ${JSON.stringify(import.meta.resolve('./lock-directory.ts'))}
    await lockDirectory(${JSON.stringify(directory)}); console.log('held'); setInterval(() => {}, 1000)`
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  await assert.rejects(lockDirectory(directory), /another process does/)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const lock = await lockDirectory(directory)
  await lock.stop()
})
