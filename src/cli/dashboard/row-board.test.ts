import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyObjects } from '../status/cluster-objects.ts'
import type { FollowedObjects } from '../status/follow-objects.ts'
import type { ViewName } from '../status/rows.ts'
import { createRowBoard } from './row-board.ts'

const never = new AbortController().signal

/** A cluster of which only the events have been read. */
function partlyRead(ready: ReadonlySet<ViewName> = new Set(['events'])): FollowedObjects {
  const objects = emptyObjects()
  objects.nodes.set('/n1', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } } as never)
  return {
    objects,
    missing: new Map(),
    ready: new Promise(() => undefined),
    missingFor: () => [],
    isReadyFor: (view) => ready.has(view),
    version: () => 1,
    touch() {},
    silentMs: () => 0,
    async stop() {},
  }
}

function boardOf(followed: FollowedObjects, patienceMs?: number) {
  return createRowBoard({ followed, installCommand: '', nowMs: () => 0, vaults: () => new Map(), patienceMs })
}

test('a view has no rows and no count before its sources were read; one that is read has them at once', async () => {
  const ready = new Set<ViewName>(['events'])
  const board = boardOf(partlyRead(ready))
  const first = board.current()
  assert.deepEqual([...first.complete], ['events'])
  assert.deepEqual(Object.keys(first.counts), ['events'])
  assert.equal(first.rows.nodes.size, 0)
  ready.add('nodes')
  const second = await board.next(first, 1000, never)
  assert.equal(second.rows.nodes.size, 1)
  assert.deepEqual(Object.keys(second.counts), ['events', 'nodes'])
  await board.stop()
})

test('a source that does not answer is waited for so long; then there are the rows that can be made without it', async () => {
  const board = boardOf(partlyRead(), 0)
  const { rows, counts, complete } = board.current()
  assert.equal(rows.nodes.size, 1)
  assert.equal(counts.nodes?.all, 1)
  assert.ok(!complete.has('nodes'))
  await board.stop()
})
