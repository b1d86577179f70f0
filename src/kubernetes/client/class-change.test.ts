import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ClassChange, parseClassChange, printClassChange } from './class-change.ts'

const change: ClassChange = {
  id: 'e1',
  at: Date.parse('2026-11-28T07:00:01.123Z'),
  seen: Date.parse('2026-11-28T07:00:01.623Z'),
  objects: ['https://shop.vault.azure.net/secrets/db/1f'],
  spreadSeconds: 0,
  signInSpreadSeconds: 0,
}

test('a change of a class has the text that drivers read', () => {
  assert.equal(
    printClassChange(change),
    '{"id":"e1","at":"2026-11-28T07:00:01.123Z","seen":"2026-11-28T07:00:01.623Z","objects":["https://shop.vault.azure.net/secrets/db/1f"],"spreadSeconds":0}',
  )
})

test('a longer spread for sign-ins is written beside the other, and one that is missing or shorter is the same', () => {
  const text = printClassChange({ ...change, spreadSeconds: 7, signInSpreadSeconds: 67 })
  assert.match(text, /"spreadSeconds":7,"signInSpreadSeconds":67}$/)
  const spreadOf = (fields: object) => parseClassChange(JSON.stringify({ ...JSON.parse(text), ...fields }))
  assert.equal(spreadOf({ signInSpreadSeconds: undefined })?.signInSpreadSeconds, 7)
  assert.equal(spreadOf({ signInSpreadSeconds: 3 })?.signInSpreadSeconds, 7)
  for (const wrong of [-1, 3601, '67']) assert.equal(spreadOf({ signInSpreadSeconds: wrong }), undefined, String(wrong))
})

test('more objects than fit are every object', () => {
  const objects = Array.from({ length: 60 }, (_, i) => `https://shop.vault.azure.net/secrets/${'x'.repeat(100)}-${i}`)
  const text = printClassChange({ ...change, objects })
  assert.deepEqual(parseClassChange(text)?.objects, ['*'])
  assert.ok(Buffer.byteLength(text) <= 4096)
})

test('an object without the form of an id is written as every object', () => {
  assert.deepEqual(parseClassChange(printClassChange({ ...change, objects: ['db'] }))?.objects, ['*'])
})

test('what is printed is parsed as it was', () => {
  const name = fc.stringMatching(/^[a-zA-Z0-9-]{1,127}$/)
  const id = fc
    .tuple(fc.constantFrom('secrets', 'keys', 'certificates'), name, fc.option(name))
    .map(
      ([collection, name, version]) =>
        `https://shop.vault.azure.net/${collection}/${name}${version === null ? '' : `/${version}`}`,
    )
  const times = fc.integer({ min: 0, max: 4_000_000_000_000 })
  const seconds = fc.integer({ min: 0, max: 3600 })
  const spreads = fc
    .tuple(seconds, seconds)
    .map(([a, b]) => ({ spreadSeconds: Math.min(a, b), signInSpreadSeconds: Math.max(a, b) }))
  const changes = fc.record({
    id: fc.string({ minLength: 1, maxLength: 64 }),
    at: times,
    seen: times,
    objects: fc.array(id, { minLength: 1, maxLength: 8 }),
    spread: spreads,
  })
  fc.assert(
    fc.property(changes, ({ spread, ...rest }) => {
      const one = { ...rest, ...spread }
      assert.deepEqual(parseClassChange(printClassChange(one)), one)
    }),
  )
})

test('any other text gives undefined', () => {
  const texts = [
    '',
    'now',
    '[]',
    '{}',
    JSON.stringify({ ...change, at: 'yesterday' }),
    '{"id":"e1","at":"2026-11-28T07:00:01Z","seen":"2026-11-28T07:00:01Z","objects":["http://shop.vault.azure.net/secrets/db"]}',
    '{"id":"e1","at":"2026-11-28T07:00:01Z","seen":"2026-11-28T07:00:01Z","objects":[],"spreadSeconds":0}',
    '{"id":"e1","at":"2026-11-28T07:00:01Z","seen":"2026-11-28T07:00:01Z","objects":["*"],"spreadSeconds":86400}',
    `{"id":"e1","at":"2026-11-28T07:00:01Z","seen":"2026-11-28T07:00:01Z","objects":["*"],"x":"${'y'.repeat(4096)}"}`,
  ]
  for (const text of texts) assert.equal(parseClassChange(text), undefined, text)
  fc.assert(fc.property(fc.string(), (text) => assert.equal(parseClassChange(text), undefined)))
})
