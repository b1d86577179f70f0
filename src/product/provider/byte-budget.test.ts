import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createByteBudget } from './byte-budget.ts'

test('mounts of one namespace leave a quarter of the bytes in progress to those of others', () => {
  const budget = createByteBudget({ perMount: 40, total: 100 })
  const [first, second, other] = [budget.open('greedy'), budget.open('greedy'), budget.open('other')]
  first.add(40)
  second.add(35)
  assert.throws(() => second.add(1), { code: 'provider-busy', retryable: true })
  other.add(25)
  assert.throws(() => other.add(1), { code: 'provider-busy' })
  first.release()
  assert.throws(() => second.add(6), { code: 'mount-too-large' })
  other.add(1)
})

test('what a mount did not get is not given back', () => {
  const budget = createByteBudget({ perMount: 100, total: 100 })
  const mount = budget.open('a')
  mount.add(70)
  assert.throws(() => mount.add(10))
  mount.release()
  mount.release()
  const next = budget.open('a')
  next.add(75)
  assert.throws(() => next.add(1))
})

test('a part of a mount counts as the mount, is given back once, and counts nothing after its end or that of the mount', () => {
  const budget = createByteBudget({ perMount: 75, total: 100 })
  const mount = budget.open('a')
  const [first, second] = [mount.part(), mount.part()]
  first.add(40)
  second.add(35)
  assert.throws(() => second.add(1), { code: 'mount-too-large' })
  first.release()
  first.release()
  first.add(40)
  second.add(40)
  mount.release()
  second.add(40)
  second.release()
  const next = budget.open('a')
  next.add(75)
  assert.throws(() => next.add(1))
})
