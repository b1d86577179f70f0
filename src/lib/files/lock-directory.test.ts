import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockDirectory } from './lock-directory.ts'

test('a directory has one holder at a time', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'keymount-lock-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const first = await lockDirectory(directory)
  await assert.rejects(lockDirectory(directory), /Cannot work in .*: another process does/)
  await first.stop()
  const second = await lockDirectory(directory)
  await second.stop()
})

test('a holder that was killed is no holder', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'keymount-lock-'))
  t.after(() => rmSync(directory, { recursive: true }))
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
