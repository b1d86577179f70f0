import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRelayAddress } from './relayed-sockets.ts'

const secret = 'ab'.repeat(32)

test('parseRelayAddress() reads port and secret', () => {
  assert.deepEqual(parseRelayAddress(`4711:${secret}`), { port: 4711, secret })
})

for (const text of [undefined, '', '4711', `4711:${secret}0`, `x:${secret}`, `4711:${secret}\n`, `:${secret}`]) {
  test(`parseRelayAddress() gives nothing for ${JSON.stringify(text)?.slice(0, 20)}`, () => {
    assert.equal(parseRelayAddress(text), undefined)
  })
}
