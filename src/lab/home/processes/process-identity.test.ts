import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { identifyProcess, isSameProcessAlive } from './process-identity.ts'

test('a process is the same until it ends', async () => {
  const child = spawn('sleep', ['60'])
  const identity = identifyProcess(child.pid ?? 0)
  assert.ok(identity !== undefined)
  assert.equal(isSameProcessAlive(identity), true)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isSameProcessAlive(identity), false)
})

test('a process with the same number and another start time, or of another boot, is another', () => {
  const identity = identifyProcess(process.pid)
  assert.ok(identity !== undefined)
  assert.equal(isSameProcessAlive({ ...identity, startTime: '1' }), false)
  assert.equal(isSameProcessAlive({ ...identity, bootId: 'earlier' }), false)
})

test('a number that no process has gives no identity', () => {
  assert.equal(identifyProcess(0x7fff_ffff), undefined)
})
