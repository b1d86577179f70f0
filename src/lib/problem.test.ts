import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problems, ProblemsError } from './problem.ts'

test('Problems collects paths below their prefix, in the order found', () => {
  const problems = new Problems()
  problems.add('tenantId', 'missing')
  problems.at('objects[2].').unexpected('objectType', 'sekret', 'secret, key or cert')
  assert.deepEqual(problems.list, [
    { path: 'tenantId', message: 'missing' },
    { path: 'objects[2].objectType', message: 'found "sekret", expected secret, key or cert' },
  ])
})

test('Problems keeps fifty and counts the rest', () => {
  const problems = new Problems()
  for (let i = 0; i < 20_000; i++) problems.add(`p${i}`, 'unknown')
  assert.equal(problems.list.length, 51)
  assert.equal(problems.list.at(-1)?.message, 'and 19950 more')
  assert.equal(problems.count, 20_000)
})

test('Problems.throwIfAny() throws one error that names the input and every problem', () => {
  const problems = new Problems()
  problems.throwIfAny('class app')
  problems.add('tenantId', 'missing')
  assert.throws(
    () => problems.throwIfAny('class app'),
    (error) => error instanceof ProblemsError && error.message === 'class app: tenantId: missing',
  )
})
