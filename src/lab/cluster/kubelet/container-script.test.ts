import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { quote } from './container-script.ts'

test('quote() gives one word of the shell, whatever the text', () => {
  const text = fc.string({ unit: 'binary' }).filter((word) => !word.includes('\0') && word.isWellFormed())
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 50 }), (words) => {
      const script = `printf '%s\\0' ${words.map(quote).join(' ')}`
      assert.deepEqual(execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1), words)
    }),
    { numRuns: 5 },
  )
})
