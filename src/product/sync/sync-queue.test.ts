import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { createSyncQueue, type Next } from './sync-queue.ts'

interface Job {
  key: string
  at: number
  end(next: Next): void
}

function createWorld(options: { workers?: number; intervalMs?: number } = {}) {
  const clock = createManualClock()
  const jobs: Job[] = []
  const queue = createSyncQueue({
    work: (key, signal) =>
      new Promise((resolve, reject) => {
        jobs.push({ key, at: clock.elapsed(), end: resolve })
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
    intervalOf: () => options.intervalMs ?? 60_000,
    workers: options.workers ?? 2,
    clock,
    random: () => 0.5,
  })
  return { clock, jobs, queue, keys: () => jobs.map(({ key }) => key) }
}

test('a key is never worked on twice at once, also when its object is deleted and made again meanwhile', async () => {
  const { clock, jobs, queue } = createWorld()
  queue.soon('a/one')
  queue.soon('a/one')
  queue.forget('a/one')
  queue.soon('a/one')
  await clock.advance(1000)
  assert.equal(jobs.length, 1)
  jobs[0]?.end('interval')
  await clock.advance(0)
  assert.equal(jobs.length, 2)
})

test('a key that was forgotten while it was worked on is not worked on again', async () => {
  const { clock, jobs, queue } = createWorld()
  queue.soon('a/one')
  queue.forget('a/one')
  jobs[0]?.end('backoff')
  await clock.advance(600_000)
  assert.equal(jobs.length, 1)
})

test('checks of one key are one interval apart, at a place that the key decides', async () => {
  const { clock, jobs, queue } = createWorld({ intervalMs: 60_000 })
  queue.soon('a/one')
  for (let i = 0; i < 4; i++) {
    jobs.at(-1)?.end('interval')
    await clock.advance(60_000)
  }
  assert.equal(jobs.length, 5)
  const [, second = { at: 0 }, third = { at: 0 }, fourth = { at: 0 }] = jobs
  assert.deepEqual([third.at - second.at, fourth.at - third.at], [60_000, 60_000])
})

test('after a failure a key is tried again with a delay that doubles up to five minutes; an edit does not wait', async () => {
  const { clock, jobs, queue } = createWorld()
  queue.soon('a/one')
  for (const seconds of [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]) {
    const before = jobs.length
    jobs.at(-1)?.end('backoff')
    await clock.advance(seconds * 1000 - 1)
    assert.equal(jobs.length, before, `${seconds} s`)
    await clock.advance(1)
    assert.equal(jobs.length, before + 1, `${seconds} s`)
  }
  jobs.at(-1)?.end('backoff')
  await clock.advance(0)
  queue.soon('a/one')
  assert.equal(jobs.length, 13)
  jobs.at(-1)?.end('backoff')
  await clock.advance(1000)
  assert.equal(jobs.length, 14)
})

test('what only an edit makes right is not tried again by itself', async () => {
  const { clock, jobs, queue } = createWorld()
  queue.soon('a/one')
  jobs[0]?.end('asked')
  await clock.advance(3_600_000)
  assert.equal(jobs.length, 1)
  queue.soon('a/one')
  assert.equal(jobs.length, 2)
})

test('one namespace does not hold every worker, and namespaces take turns', async () => {
  const { clock, jobs, queue, keys } = createWorld({ workers: 4 })
  for (let i = 0; i < 10; i++) queue.soon(`a/${i}`)
  assert.deepEqual(keys(), ['a/0', 'a/1', 'a/2'])
  queue.soon('b/0')
  assert.deepEqual(keys().slice(3), ['b/0'])
  queue.soon('b/1')
  jobs[0]?.end('interval')
  await clock.advance(0)
  jobs[3]?.end('interval')
  await clock.advance(0)
  assert.deepEqual(keys().slice(4).toSorted(), ['a/3', 'b/1'])
})

test('after a start, thousands of keys are spread evenly over two minutes at most', async () => {
  const { clock, jobs, queue } = createWorld({ workers: 1000, intervalMs: 3_600_000 })
  for (let i = 0; i < 3000; i++) queue.later(`n${i % 50}/${i}`)
  const perTick: number[] = []
  for (let i = 0; i < 12; i++) {
    const before = jobs.length
    await clock.advance(10_000)
    for (const { end } of jobs.slice(before)) end('asked')
    perTick.push(jobs.length - before)
  }
  assert.equal(jobs.length, 3000)
  assert.ok(Math.max(...perTick) < 2 * 250, perTick.join())
})

test('stop() ends all work', async () => {
  const { queue, jobs, clock } = createWorld()
  queue.soon('a/one')
  await queue.stop()
  queue.soon('a/two')
  await clock.advance(600_000)
  assert.equal(jobs.length, 1)
})
