import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLeakDetector } from './leak-detector.ts'

const file = { path: 'a', mode: 0o644, contents: Buffer.from('line one\nline "two"') }
const answer = { files: [file], objectVersion: [], error: undefined }
const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl'

test('a leak detector finds secrets of calls, also escaped, and tokens that it has never seen', () => {
  for (const [output, isLeak] of [
    ['all is well', false],
    ['the value is line one\nline "two"', true],
    ['{"msg":"line one\\nline \\"two\\""}', true],
    ['the client secret is correct-horse', true],
    [`authorization: Bearer ${token}`, true],
    ['the token ended in c2lnbmF0dXJl', true],
    ['a planted value', true],
  ] as const) {
    const leaks = createLeakDetector()
    leaks.addSecretsOf({ attributes: `{"tokens":"${token}"}`, secrets: '{"clientsecret":"correct-horse"}' })
    leaks.addFilesOf(answer)
    leaks.addOutput(output)
    if (isLeak) assert.throws(() => leaks.assertNone(), /printed a secret/, output)
    else leaks.assertNone()
  }
})

test('a leak detector reads the log', () => {
  const leaks = createLeakDetector()
  leaks.addFilesOf(answer)
  leaks.log.info({ object: file.contents.toString() }, 'mounted')
  assert.throws(() => leaks.assertNone(), /printed a secret/)
})
