import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Code } from '#kubernetes/grpc'
import { SecretValue } from '#lib'
import {
  createMemoryBudget,
  defaultMemoryBudget,
  type MemoryBudget,
  memoryOfFiles,
  refuseBeyondBudget,
} from './memory-budget.ts'

const mebibyte = 1024 * 1024

/** As the driver does before it writes. */
function reserve(budget: MemoryBudget, target: string, bytes: number, namespace = 'default'): void {
  refuseBeyondBudget(budget, { target, pod: { namespace, name: target.slice(1) }, bytes })
  budget.set(target, { bytes, namespace })
}

test('a volume that does not fit is refused with its pod, its size, what others take and the budget', () => {
  const budget = createMemoryBudget(10 * mebibyte)
  reserve(budget, '/a', 7 * mebibyte)
  assert.throws(() => reserve(budget, '/b', 4 * mebibyte), {
    code: Code.RESOURCE_EXHAUSTED,
    message:
      /the volume of pod default\/b takes 4\.0 MiB, and the other volumes of this node take 7\.0 MiB of the budget of 10\.0 MiB: raise .*--volume-memory-budget$/,
  })
  assert.equal(budget.used, 7 * mebibyte)
})

test('the last quarter of the budget is left to namespaces that have less than a quarter', () => {
  const budget = createMemoryBudget(10 * mebibyte)
  reserve(budget, '/a', 7 * mebibyte)
  assert.throws(() => reserve(budget, '/b', mebibyte), {
    code: Code.RESOURCE_EXHAUSTED,
    message:
      /of the budget of 10\.0 MiB, the last quarter of which is for namespaces that have less than a quarter: raise/,
  })
  reserve(budget, '/c', 2 * mebibyte, 'other')
  assert.throws(() => reserve(budget, '/d', mebibyte, 'other'))
  reserve(budget, '/e', mebibyte, 'third')
  budget.set('/a', undefined)
  assert.equal(budget.used, 3 * mebibyte)
  reserve(budget, '/b', mebibyte)
})

test('a volume that does not grow is never refused, also when the budget has become smaller', () => {
  const budget = createMemoryBudget(mebibyte)
  budget.set('/a', { bytes: 4 * mebibyte, namespace: 'default' })
  reserve(budget, '/a', 4 * mebibyte)
  assert.throws(() => reserve(budget, '/a', 4 * mebibyte + 1))
})

test('whatever is reserved and freed, volumes that grow stay within the budget', () => {
  const step = fc.record({
    target: fc.constantFrom('/a', '/b', '/c'),
    namespace: fc.constantFrom('default', 'other'),
    bytes: fc.nat(150),
    free: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const budget = createMemoryBudget(200)
      for (const { target, namespace, bytes, free } of steps) {
        if (free) budget.set(target, undefined)
        else
          try {
            reserve(budget, target, bytes, namespace)
          } catch {
            // Refused: nothing has changed.
          }
        assert.ok(budget.used <= 200)
      }
    }),
  )
})

test('files count in whole pages, and with their inodes', () => {
  const file = (path: string, size: number) => ({ path, mode: 0o644, contents: SecretValue.of(Buffer.alloc(size)) })
  assert.equal(memoryOfFiles([file('a', 1)]), 4096 + 5 * 1024)
  assert.equal(memoryOfFiles([file('d/e/a', 4097), file('b', 0)]), 2 * 4096 + 9 * 1024)
})

test('the default budget is half of the memory limit, or of the machine without one', () => {
  assert.equal(defaultMemoryBudget(200 * mebibyte, 8192 * mebibyte), 100 * mebibyte)
  for (const none of [0, 2 ** 64, 9000 * mebibyte])
    assert.equal(defaultMemoryBudget(none, 8192 * mebibyte), 4096 * mebibyte)
})
