import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFairBudget } from './fair-budget.ts'

test('one holder gets three quarters, and another one still gets a quarter', () => {
  const budget = createFairBudget(100)
  budget.add('greedy', 75)
  assert.equal(budget.hasRoom('greedy', 1), false)
  assert.equal(budget.hasRoom('other', 25), true)
  assert.equal(budget.hasRoom('other', 26), false)
  budget.add('other', 25)
  assert.equal(budget.hasRoom('third', 1), false)
  assert.deepEqual([budget.used, budget.usedBy('greedy'), budget.usedBy('third')], [100, 75, 0])
  budget.add('greedy', -75)
  assert.equal(budget.hasRoom('third', 50), true)
})

test('whatever one holder takes and gives back, a quarter is left to others', () => {
  const step = fc.integer({ min: -100, max: 100 })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const budget = createFairBudget(100)
      for (const amount of steps) {
        if (amount < 0) budget.add('greedy', -Math.min(-amount, budget.usedBy('greedy')))
        else if (budget.hasRoom('greedy', amount)) budget.add('greedy', amount)
        assert.ok(budget.hasRoom('other', 25))
      }
    }),
  )
})
