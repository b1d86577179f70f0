import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type EventsConfirmation,
  isConfirmed,
  parseEventsConfirmation,
  printEventsConfirmation,
} from './events-confirmation.ts'

const shop = 'shop.vault.azure.net'
const confirmation: EventsConfirmation = {
  beat: 7,
  at: Date.parse('2026-11-28T07:00:01.123Z'),
  intervalMs: 86_400_000,
  vaults: new Map([[shop, 'p1']]),
  namespaces: undefined,
  except: [],
}

test('a confirmation has the text that drivers read', () => {
  assert.equal(
    printEventsConfirmation(confirmation),
    '{"beat":7,"at":"2026-11-28T07:00:01.123Z","interval":"24h","vaults":{"shop.vault.azure.net":"p1"}}',
  )
})

test('what is printed is parsed as it was', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,40}$/)
  const confirmations = fc.record({
    beat: fc.integer({ min: 1 }),
    at: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    intervalMs: fc.integer({ min: 1, max: 168 * 3600 }).map((seconds) => seconds * 1000),
    vaults: fc
      .array(fc.tuple(name, fc.stringMatching(/^[a-z0-9-]{1,40}$/)), { maxLength: 10 })
      .map((list) => new Map(list)),
    namespaces: fc.option(fc.array(name, { maxLength: 5 }), { nil: undefined }),
    except: fc.array(name, { maxLength: 5 }),
  })
  fc.assert(
    fc.property(confirmations, (one) =>
      assert.deepEqual(parseEventsConfirmation(printEventsConfirmation(one) ?? ''), { ...one }),
    ),
  )
})

test('any other text gives undefined: no interval above a week, no number of names without end, no other form', () => {
  const print = (change: object) =>
    JSON.stringify({ beat: 7, at: '2026-11-28T07:00:01Z', interval: '24h', vaults: { [shop]: 'p1' }, ...change })
  assert.notEqual(parseEventsConfirmation(print({})), undefined)
  const many = Array.from({ length: 201 }, (_, i) => `n${i}`)
  const wrong: object[] = [
    { beat: 0 },
    { beat: 1.5 },
    { beat: '7' },
    { at: 'now' },
    { interval: '169h' },
    { interval: '0s' },
    { interval: 24 },
    { vaults: { 'Shop vault': 'p1' } },
    { vaults: { [shop]: '' } },
    { vaults: Object.fromEntries(many.map((host) => [host, 'p1'])) },
    { namespaces: many },
    { namespaces: 'all' },
    { except: [7] },
  ]
  for (const change of wrong) assert.equal(parseEventsConfirmation(print(change)), undefined, JSON.stringify(change))
  fc.assert(fc.property(fc.string(), (text) => assert.equal(parseEventsConfirmation(text), undefined)))
})

test('it holds for volumes of its namespaces whose vaults are all confirmed', () => {
  const bank = 'bank.vault.azure.net'
  const holds = (change: Partial<EventsConfirmation>, namespace: string, ...hosts: string[]) =>
    isConfirmed({ ...confirmation, ...change }, { namespace, hosts })
  assert.equal(holds({}, 'a', shop), true)
  assert.equal(holds({}, 'a', shop, bank), false)
  assert.equal(holds({}, 'a'), false)
  assert.equal(holds({ namespaces: ['b'] }, 'a', shop), false)
  assert.equal(holds({ except: ['a'] }, 'a', shop), false)
  assert.equal(holds({ namespaces: ['a'] }, 'a', shop), true)
})
