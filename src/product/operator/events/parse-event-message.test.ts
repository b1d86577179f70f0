import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseEventMessage } from './parse-event-message.ts'

const options = { vaultSuffix: 'vault.azure.net' }

const gridEvent = {
  id: '00eccf70-95a7-4e7c-8299-2eb17ee9ad64',
  topic: '/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/shop',
  subject: 'db',
  eventType: 'Microsoft.KeyVault.SecretNewVersionCreated',
  eventTime: '2026-11-28T07:00:01.1236736Z',
  data: {
    Id: 'https://shop.vault.azure.net/secrets/db/ee059b2bb5bc48398a53b168c6cdcb10',
    VaultName: 'shop',
    ObjectType: 'Secret',
    ObjectName: 'db',
    Version: 'ee059b2bb5bc48398a53b168c6cdcb10',
    NBF: 1559081980,
    EXP: 1559082102,
  },
  dataVersion: '1',
  metadataVersion: '1',
}

const { eventType: type, eventTime: time, topic: source, ...rest } = gridEvent
const cloudEvent = { ...rest, type, time, source, specversion: '1.0' }

const expected = {
  id: gridEvent.id,
  at: Date.parse('2026-11-28T07:00:01.123Z'),
  kind: 'secret',
  vaultHost: 'shop.vault.azure.net',
  name: 'db',
  version: 'ee059b2bb5bc48398a53b168c6cdcb10',
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

test('an event is read from base64, from plain JSON, from a list, and in both schemas', () => {
  const texts = [gridEvent, cloudEvent, [gridEvent], [cloudEvent]].map((one) => JSON.stringify(one))
  for (const text of [...texts, ...texts.map(base64), ` ${texts[0]}\n`])
    assert.deepEqual(parseEventMessage(text, options), { events: [expected], ignored: [] }, text)
})

test('names of members are compared without case and blanks, and values are trimmed', () => {
  const data = {
    'objectname ': 'db',
    'ObjectType ': ' Secret',
    vaultName: 'SHOP ',
    'Version ': ' ee059b2bb5bc48398a53b168c6cdcb10',
  }
  const found = parseEventMessage(JSON.stringify({ ...gridEvent, data }), options)
  assert.deepEqual(found, { events: [expected], ignored: [] })
})

test('a change of access concerns the vault', () => {
  const event = { ...gridEvent, eventType: 'Microsoft.KeyVault.VaultAccessPolicyChanged', data: { VaultName: 'shop' } }
  const { events } = parseEventMessage(JSON.stringify(event), options)
  assert.deepEqual(events, [{ ...expected, kind: 'access', name: '', version: '' }])
})

test('what leads to nothing is counted by its reason', () => {
  const why = (event: unknown) =>
    parseEventMessage(typeof event === 'string' ? event : JSON.stringify(event), options).ignored.map((one) => one.why)
  assert.deepEqual(why({ ...gridEvent, eventType: 'Microsoft.KeyVault.SecretNearExpiry' }), ['type'])
  assert.deepEqual(why({ ...gridEvent, eventType: 'constructor' }), ['type'])
  assert.deepEqual(why({ ...gridEvent, eventTime: 'yesterday' }), ['invalid'])
  assert.deepEqual(why({ ...gridEvent, id: '' }), ['invalid'])
  assert.deepEqual(why({ ...gridEvent, data: { Id: 'https://shop.vault.azure.net/keys/db/1' } }), ['invalid'])
  assert.deepEqual(why({ ...gridEvent, data: { Id: 'http://shop.vault.azure.net/secrets/db/1' } }), ['invalid'])
  assert.deepEqual(why({ ...gridEvent, data: { VaultName: 'a/b', ObjectName: 'db' } }), ['invalid'])
  assert.deepEqual(why({ ...gridEvent, data: { VaultName: 'shop', ObjectName: '../db' } }), ['invalid'])
  assert.deepEqual(why([gridEvent, 7, { ...gridEvent, eventType: 'x' }]), ['invalid', 'type'])
  for (const text of ['', '7', 'null', '{', '%%%', 'x'.repeat(200_000), JSON.stringify(Array(101).fill(gridEvent))])
    assert.deepEqual(why(text), ['invalid'], text.slice(0, 20))
})

test('no text makes the parser throw, and each event that it gives is complete', () => {
  const field = fc.oneof(
    fc.string(),
    fc.constantFrom(gridEvent.data.Id, 'shop', 'db', gridEvent.eventTime),
    fc.jsonValue(),
  )
  const event = fc.record(
    {
      id: field,
      eventType: fc.constantFrom(type, 'x'),
      eventTime: field,
      data: fc.dictionary(fc.constantFrom('Id', 'VaultName', 'ObjectName', 'Version'), field),
    },
    { requiredKeys: ['eventType'] },
  )
  const text = fc.oneof(
    fc.string(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    event.map((value) => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(text, fc.boolean(), (json, encoded) => {
      const { events } = parseEventMessage(encoded ? base64(json) : json, options)
      for (const { id, vaultHost, name, version, at } of events) {
        assert.ok(id !== '' && Number.isFinite(at))
        assert.match(vaultHost, /^[a-z0-9.:-]+$/)
        assert.match(`${name}/${version}`, /^[a-zA-Z0-9-]+\/[a-zA-Z0-9]*$/)
      }
    }),
  )
})
