import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressType, answerCodes, formatAnswer, parseQuery } from './name-server.ts'

/** A query as resolvers send it. */
function queryFor(name: string, type = addressType): Buffer {
  const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label, 'latin1')]))
  const tail = Buffer.from([0, 0, type, 0, 1])
  return Buffer.concat([Buffer.from('002a01000001000000000000', 'hex'), ...labels, tail])
}

test('a query is read with its name in lower case', () => {
  const query = parseQuery(queryFor('Shop.default.SVC.cluster.local'))
  assert.equal(query?.name, 'shop.default.svc.cluster.local')
  assert.deepEqual([query?.id, query?.type, query?.recursion], [42, addressType, true])
})

test('an answer repeats the question and has one record per address', () => {
  const query = parseQuery(queryFor('a.b'))
  assert.ok(query !== undefined)
  const answer = formatAnswer(query, answerCodes.ok, ['10.96.1.2', '10.244.0.9'])
  assert.equal(answer.readUInt16BE(0), 42)
  assert.equal(answer.readUInt16BE(2), 0x8580)
  assert.equal(answer.readUInt16BE(6), 2)
  assert.deepEqual([...answer.subarray(-4)], [10, 244, 0, 9])
  assert.ok(answer.includes(queryFor('a.b').subarray(12)))
  assert.equal(formatAnswer(query, answerCodes.noName, []).readUInt16BE(2) & 15, 3)
})

test('what is not a query with one question is not answered', () => {
  const query = queryFor('a.b')
  for (let length = 0; length < query.length; length++) assert.equal(parseQuery(query.subarray(0, length)), undefined)
  const response = Buffer.from(query)
  response[2] = 0x81
  assert.equal(parseQuery(response), undefined)
  const pointer = Buffer.from(query)
  pointer[12] = 0xc0
  assert.equal(parseQuery(pointer), undefined)
})

test('bytes of every kind are read in bounded time, without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      const query = parseQuery(Buffer.from(bytes))
      assert.ok(query === undefined || query.question.length <= bytes.length)
    }),
  )
})
