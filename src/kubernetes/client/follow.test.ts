import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { follow } from './follow.ts'
import type { KubeClient } from './kube-client.ts'
import { KubeError } from './kube-error.ts'
import type { Pod } from './objects.ts'
import { resources } from './resources.ts'
import type { WatchEvent } from './watch-events.ts'

const podOf = (name: string, resourceVersion: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, resourceVersion },
  spec: { containers: [] },
})

type Step = WatchEvent<Pod> | KubeError | 'end' | 'silence'

/** An API server whose watches follow a script, one list of steps per watch. */
function world(t: TestContext, watches: Step[][]) {
  const clock = createManualClock()
  const log: string[] = []
  const client = {
    async list(_: unknown, { signal }: { signal: AbortSignal }) {
      signal.throwIfAborted()
      log.push('list')
      return { items: [podOf('listed', '5')], resourceVersion: '5' }
    },
    async *watch(_: unknown, { resourceVersion, signal }: { resourceVersion: string; signal: AbortSignal }) {
      log.push(`watch from ${resourceVersion}`)
      for (const step of watches.shift() ?? ['silence']) {
        if (step === 'end') return
        if (step instanceof KubeError) throw step
        if (step !== 'silence') yield step
        else await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      }
    },
  } as unknown as KubeClient
  const followed = follow(
    client,
    resources.pods,
    { clock, random: () => 1 },
    {
      onList: (items) => void log.push(`has ${items.map(({ metadata }) => metadata.name).join()}`),
      onChange: (type, { metadata }) => void log.push(`${type} ${metadata.name}`),
    },
  )
  t.after(() => followed.stop())
  return { clock, log, followed }
}

const added = (name: string, version: string): WatchEvent<Pod> => ({ type: 'ADDED', object: podOf(name, version) })

test('a watch that ends is followed by another from the last version, and by no list', async (t) => {
  const bookmark: WatchEvent<Pod> = { type: 'BOOKMARK', object: podOf('', '9') }
  const { clock, log } = world(t, [
    [added('a', '6'), 'end'],
    [bookmark, 'end'],
  ])
  await clock.advance(60_000)
  assert.deepEqual(log, ['list', 'has listed', 'watch from 5', 'ADDED a', 'watch from 6', 'watch from 9'])
})

test('a server that is not reached, or falls silent, is asked for what came after the last version', async (t) => {
  const unreachable = new KubeError('unreachable', { status: 0 })
  const { clock, log } = world(t, [[added('a', '6'), unreachable], [unreachable], [added('b', '7'), 'silence']])
  await clock.advance(60_000)
  assert.deepEqual(log, ['list', 'has listed', 'watch from 5', 'ADDED a', 'watch from 6', 'watch from 6', 'ADDED b'])
})

test('a server that no longer has the version, or refuses the watch, is asked for a list', async (t) => {
  const gone: WatchEvent<Pod> = { type: 'ERROR', object: { code: 410, message: 'too old' } }
  const { clock, log } = world(t, [[added('a', '6'), gone], [new KubeError('broken', { status: 500 })]])
  await clock.advance(60_000)
  const again = ['list', 'has listed', 'watch from 5']
  assert.deepEqual(log, [...again, 'ADDED a', ...again, ...again])
})

test('a server that always refuses is asked ever less often', async (t) => {
  const { clock, log } = world(
    t,
    Array.from({ length: 1000 }, () => [new KubeError('gone', { status: 410 })]),
  )
  await clock.advance(600_000)
  assert.ok(log.length < 300, `${log.length} lines`)
})

test('silentMs() is the time since the server last showed the state', async (t) => {
  const unreachable = new KubeError('unreachable', { status: 0 })
  const { clock, followed } = world(t, [[added('a', '6'), 'end'], [unreachable], ['silence']])
  assert.equal(followed.silentMs(), Number.POSITIVE_INFINITY)
  await clock.advance(0)
  await followed.synced
  assert.equal(followed.silentMs(), 0)
  clock.stepWallClock(-3_600_000)
  await clock.advance(300_000)
  assert.equal(followed.silentMs(), 300_000)
})

test('one that is stopped before its first list rejects for its waiters', async (t) => {
  const { followed, log } = world(t, [])
  const synced = assert.rejects(followed.synced, /stopped/)
  await followed.stop()
  await synced
  assert.deepEqual(
    log.filter((line) => line !== 'list'),
    [],
  )
})
