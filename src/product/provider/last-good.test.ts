import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { createLastGood, type KeepOptions, type LastGoodOptions } from './last-good.ts'

const day = 24 * 3_600_000

/** A memory in which each answer is its object's name, unless the test names another value. */
function startMemory(options: LastGoodOptions = {}) {
  const clock = createManualClock(Date.parse('2026-11-28T14:00:00Z'))
  const memory = createLastGood({ clock, ...options })
  const keep = (name: string, { value = name, ...rest }: Partial<KeepOptions> & { value?: string } = {}) =>
    memory.keep(
      { value, asked: clock.elapsed() },
      {
        identity: 'me',
        name,
        owner: 'shop',
        what: 'get',
        bytes: 10,
        forMs: day,
        expiresAt: undefined,
        isOwnRead: true,
        ...rest,
      },
    )
  const find = (name: string, { identity = 'me', what = 'get', maxAgeMs = day } = {}) =>
    memory.find({ identity, name }, what, maxAgeMs)?.value
  return { clock, memory, keep, find }
}

test('an answer is found until it is older than the caller takes, or than its class had it kept', async () => {
  const { clock, memory, keep, find } = startMemory()
  keep('a')
  await clock.advance(day)
  assert.equal(find('a'), 'a')
  assert.equal(find('a', { maxAgeMs: day - 1 }), undefined)
  await clock.advance(1)
  assert.equal(find('a'), undefined)
  await clock.advance(10 * 60_000)
  assert.equal(memory.bytes, 0, 'answers that no class may use are dropped')
})

test('an object whose time has passed is not found', async () => {
  const { clock, keep, find } = startMemory()
  keep('a', { expiresAt: clock.now() + 1000 })
  await clock.advance(999)
  assert.equal(find('a'), 'a')
  await clock.advance(1)
  assert.equal(find('a'), undefined)
})

test('a refusal drops all answers of the object, and a refusal of the identity all of its objects', () => {
  const { memory, keep, find } = startMemory()
  for (const what of ['get', 'versions']) keep('a', { what })
  keep('b')
  keep('a', { identity: 'other' })
  memory.forget({ identity: 'me', name: 'a' })
  assert.deepEqual([find('a'), find('a', { what: 'versions' }), find('b')], [undefined, undefined, 'b'])
  memory.forgetIdentity('me')
  assert.deepEqual([find('b'), find('a', { identity: 'other' })], [undefined, 'a'])
  memory.forgetIdentity('other')
  assert.equal(memory.bytes, 0)
})

test('a volume that shared an answer prolongs its time and does not bring it back', async () => {
  const { clock, memory, keep, find } = startMemory()
  keep('a', { forMs: 1000 })
  keep('a', { forMs: day, isOwnRead: false })
  await clock.advance(20 * 60_000)
  assert.equal(find('a'), 'a')
  memory.forget({ identity: 'me', name: 'a' })
  keep('a', { isOwnRead: false })
  assert.equal(find('a'), undefined)
})

test('a newer answer replaces the older one also where a class does not have it kept', async () => {
  const { clock, keep, find } = startMemory()
  keep('a', { value: 'old' })
  await clock.advance(1000)
  keep('a', { value: 'new', forMs: 0 })
  assert.equal(find('a'), 'new')
  keep('b', { forMs: 0 })
  assert.equal(find('b'), undefined)
})

test('the memory is bounded by bytes: the least recently used object goes first', () => {
  const { memory, keep, find } = startMemory({ maxBytes: 40 })
  for (const name of ['a', 'b', 'c', 'd']) keep(name, { owner: name })
  assert.equal(find('a'), 'a')
  keep('e', { owner: 'e' })
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map((name) => find(name)),
    ['a', undefined, 'c', 'd', 'e'],
  )
  assert.equal(memory.bytes, 40)
})

test('a namespace with more than a quarter of the memory makes room for others, and one answer is at most a quarter', () => {
  const { keep, find } = startMemory({ maxBytes: 80 })
  keep('small', { owner: 'quiet' })
  for (let i = 0; i < 100; i++) keep(`flood ${i}`, { owner: 'loud' })
  assert.equal(find('small'), 'small')
  assert.equal(find('flood 99'), 'flood 99')
  keep('huge', { bytes: 21 })
  assert.equal(find('huge'), undefined)
})

test('whatever happens, nothing is found under another identity, name or question, and bytes are those of what is there', async () => {
  const word = fc.constantFrom('a', 'b', '["a"]', 'a","b')
  const step = fc.record({
    does: fc.constantFrom(
      'keep' as const,
      'share' as const,
      'forget' as const,
      'forgetIdentity' as const,
      'pass' as const,
    ),
    identity: word,
    name: word,
    what: word,
    owner: word,
    bytes: fc.integer({ min: 1, max: 30 }),
    forMs: fc.constantFrom(0, 1000, day),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, memory, keep, find } = startMemory({ maxBytes: 100 })
      for (const { does, identity, name, what, ...rest } of steps) {
        const value = JSON.stringify([identity, name, what])
        if (does === 'keep') keep(name, { identity, what, value, ...rest })
        if (does === 'share') keep(name, { identity, what, value, ...rest, isOwnRead: false })
        if (does === 'forget') memory.forget({ identity, name })
        if (does === 'forgetIdentity') memory.forgetIdentity(identity)
        if (does === 'pass') await clock.advance(rest.bytes * 60_000)
        const found = find(name, { identity, what })
        assert.ok(found === undefined || found === value)
        if (does === 'forget' || does === 'forgetIdentity') assert.equal(found, undefined)
        assert.ok(memory.bytes >= 0 && memory.bytes <= 100)
      }
      for (const identity of ['a', 'b', '["a"]', 'a","b']) memory.forgetIdentity(identity)
      assert.equal(memory.bytes, 0)
    }),
  )
})
