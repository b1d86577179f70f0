import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitEnvironment } from './container-process.ts'

test('splitEnvironment() keeps from the starting programs what they would act on or lose', () => {
  const names = ['PATH', 'A_1', 'LD_PRELOAD', 'PWD', 'SHELL', 'tls.crt', '1A', 'MALLOC_ARENA_MAX', 'PS1', 'ENVIRONMENT']
  const { variables, late } = splitEnvironment(new Map(names.map((name) => [name, 'x'])))
  assert.deepEqual(Object.keys(variables), ['PATH', 'A_1', 'ENVIRONMENT'])
  assert.deepEqual([...late.keys()], ['LD_PRELOAD', 'PWD', 'SHELL', 'tls.crt', '1A', 'MALLOC_ARENA_MAX', 'PS1'])
})
