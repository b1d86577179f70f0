import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  bytes,
  double,
  workerTasksEntry as entry,
  hoard,
  leave,
  refuse,
  spin,
  unserved,
} from '../../../test/support/worker-tasks.ts'
import { inlineTasks, TaskError, type TaskErrorCode, type TaskRunner } from './task.ts'
import { createWorkerPool, type WorkerPoolOptions } from './worker-pool.ts'

function startPool(t: TestContext, options: WorkerPoolOptions = {}): TaskRunner {
  const pool = createWorkerPool({ entry, ...options })
  t.after(() => pool.stop())
  return pool
}

async function codeOf(result: Promise<unknown>): Promise<TaskErrorCode | undefined> {
  const error = await result.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof TaskError ? error.code : undefined
}

test('a worker pool gives what its tasks return, and the message of what they throw', async (t) => {
  const pool = startPool(t)
  assert.deepEqual(await Promise.all([1, 2, 3, 4].map((n) => pool.run(double, n))), [2, 4, 6, 8])
  assert.deepEqual(await pool.run(bytes, new Uint8Array([7, 8])), { length: 2, first: 7 })
  await assert.rejects(pool.run(refuse, 'x'), { name: 'TaskError', code: 'task-failed', message: 'refused: x' })
  await assert.rejects(pool.run(unserved, undefined), {
    code: 'task-failed',
    message: 'this worker has no task "unserved"',
  })
})

test('tasks in this thread fail in the same way as those of a pool', async () => {
  const runner = inlineTasks()
  assert.equal(await runner.run(double, 4), 8)
  await assert.rejects(runner.run(refuse, 'x'), { name: 'TaskError', code: 'task-failed', message: 'refused: x' })
})

test('a task that breaks a limit is rejected with the limit, and the pool goes on with the next one', async (t) => {
  const pool = startPool(t, { timeoutMs: 1000, heapMib: 16, threads: 1 })
  assert.equal(await pool.run(double, 1), 2)
  await assert.rejects(pool.run(spin, undefined), { code: 'task-timeout', message: /^spin took longer than 1 s/ })
  assert.equal(await pool.run(double, 2), 4)
  assert.equal(await codeOf(pool.run(leave, undefined)), 'task-thread-lost')
  assert.equal(await pool.run(double, 3), 6)
})

test('a task that needs more memory than its thread may have is rejected, and this process lives', async (t) => {
  const pool = startPool(t, { timeoutMs: 60_000, heapMib: 16 })
  await assert.rejects(pool.run(hoard, undefined), { code: 'task-out-of-memory', message: /more than 16 MiB/ })
  assert.equal(await pool.run(double, 3), 6)
})

test('owners take turns, and one of them never holds every thread', async (t) => {
  const pool = startPool(t, { threads: 2, timeoutMs: 600 })
  const stuck = Array.from({ length: 3 }, () => codeOf(pool.run(spin, undefined, { owner: 'a' })))
  const first = await Promise.race([pool.run(double, 21, { owner: 'b' }), ...stuck])
  assert.equal(first, 42)
  assert.deepEqual(await Promise.all(stuck), ['task-timeout', 'task-timeout', 'task-timeout'])
})

test('what waits is bounded in number and time, and leaves with its caller', async (t) => {
  const pool = startPool(t, { threads: 1, maxQueued: 8, maxWaitMs: 200, timeoutMs: 2000 })
  const running = codeOf(pool.run(spin, undefined))
  const gone = new AbortController()
  const leaving = pool.run(double, 1, { signal: gone.signal })
  const waiting = codeOf(pool.run(double, 1))
  assert.equal(await codeOf(pool.run(double, 1)), 'task-queue-full')
  gone.abort(new Error('the caller left'))
  await assert.rejects(leaving, /the caller left/)
  assert.equal(await waiting, 'task-queue-full')
  assert.equal(await running, 'task-timeout')
})

test('an owner that fills its quarter of the queue keeps no other out', async (t) => {
  const pool = startPool(t, { threads: 2, maxQueued: 8, timeoutMs: 600 })
  const greedy = Array.from({ length: 8 }, () => codeOf(pool.run(spin, undefined, { owner: 'greedy' })))
  assert.equal(await pool.run(double, 21, { owner: 'other' }), 42)
  const codes = await Promise.all(greedy)
  assert.deepEqual(codes.toSorted(), [...Array(5).fill('task-queue-full'), ...Array(3).fill('task-timeout')])
})

test('stop() rejects what runs and what waits, and refuses what comes later', async () => {
  const pool = createWorkerPool({ entry, threads: 1 })
  const both = [codeOf(pool.run(spin, undefined)), codeOf(pool.run(double, 1))]
  await pool.stop()
  assert.deepEqual(await Promise.all(both), ['task-thread-lost', 'task-thread-lost'])
  assert.equal(await codeOf(pool.run(double, 1)), 'task-thread-lost')
})

test('an entry that cannot start fails its tasks with the reason', async (t) => {
  const pool = startPool(t, { entry: join(import.meta.dirname, 'no-such-file.ts') })
  await assert.rejects(pool.run(double, 1), { code: 'task-thread-lost', message: /no-such-file/ })
})
