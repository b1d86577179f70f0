import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfidant } from './confidant.ts'

const file = { path: 'a', mode: 0o644, contents: Buffer.from('line one\nline "two"') }
const answer = { files: [file], objectVersion: [], error: undefined }
const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl'

test('a confidant finds what was learned, also escaped, and tokens that nobody showed it', () => {
  for (const [said, isLeak] of [
    ['all is well', false],
    ['the value is line one\nline "two"', true],
    ['{"msg":"line one\\nline \\"two\\""}', true],
    ['the client secret is correct-horse', true],
    [`authorization: Bearer ${token}`, true],
    ['the token ended in c2lnbmF0dXJl', true],
    ['a planted value', true],
  ] as const) {
    const confidant = createConfidant()
    confidant.learnRequest({ attributes: `{"tokens":"${token}"}`, secrets: '{"clientsecret":"correct-horse"}' })
    confidant.learnAnswer(answer)
    confidant.hear(said)
    if (isLeak) assert.throws(() => confidant.assertKept(), /told a secret/, said)
    else confidant.assertKept()
  }
})

test('a confidant hears the log', () => {
  const confidant = createConfidant()
  confidant.learnAnswer(answer)
  confidant.log.info({ object: file.contents.toString() }, 'mounted')
  assert.throws(() => confidant.assertKept(), /told a secret/)
})
