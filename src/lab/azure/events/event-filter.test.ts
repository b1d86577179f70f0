import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GridEvent } from './event-feed.ts'
import { type AdvancedFilter, type EventFilter, passes } from './event-filter.ts'

const event: GridEvent = {
  id: 'e1',
  topic: '/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/shop',
  subject: 'Db-main',
  eventType: 'Microsoft.KeyVault.SecretNewVersionCreated',
  eventTime: '2026-11-28T07:00:01.123Z',
  data: { ObjectName: 'Db-main', ObjectType: 'Secret', NBF: null, EXP: 1000 },
  dataVersion: '1',
  metadataVersion: '1',
}

const everything: EventFilter = {
  subjectBeginsWith: '',
  subjectEndsWith: '',
  isSubjectCaseSensitive: false,
  advancedFilters: [],
}

test('an event passes by its type and the ends of its subject', () => {
  const found = [
    everything,
    { ...everything, includedEventTypes: ['microsoft.keyvault.secretnewversioncreated'] },
    { ...everything, includedEventTypes: ['Microsoft.KeyVault.SecretExpired'] },
    { ...everything, includedEventTypes: [] },
    { ...everything, subjectBeginsWith: 'DB-', subjectEndsWith: 'MAIN' },
    { ...everything, subjectBeginsWith: 'DB-', isSubjectCaseSensitive: true },
    { ...everything, subjectEndsWith: 'other' },
  ].map((filter) => passes(event, filter))
  assert.deepEqual(found, [true, true, false, false, true, false, false])
})

test('each operator of an advanced filter decides as Event Grid does', () => {
  const cases: [AdvancedFilter, boolean][] = [
    [{ operatorType: 'StringIn', key: 'data.ObjectName', values: ['x', 'DB-MAIN'] }, true],
    [{ operatorType: 'StringIn', key: 'data.ObjectName', values: ['main'] }, false],
    [{ operatorType: 'StringNotIn', key: 'data.ObjectName', values: ['main'] }, true],
    [{ operatorType: 'StringNotIn', key: 'data.Missing', values: ['main'] }, true],
    [{ operatorType: 'StringBeginsWith', key: 'subject', values: ['db'] }, true],
    [{ operatorType: 'StringNotBeginsWith', key: 'subject', values: ['db'] }, false],
    [{ operatorType: 'StringEndsWith', key: 'eventType', values: ['created'] }, true],
    [{ operatorType: 'StringNotEndsWith', key: 'eventType', values: ['created'] }, false],
    [{ operatorType: 'StringContains', key: 'topic', values: ['vaults/shop'] }, true],
    [{ operatorType: 'StringNotContains', key: 'topic', values: ['vaults/shop'] }, false],
    [{ operatorType: 'NumberIn', key: 'data.EXP', values: [5, 1000] }, true],
    [{ operatorType: 'NumberNotIn', key: 'data.EXP', values: [5] }, true],
    [{ operatorType: 'NumberLessThan', key: 'data.EXP', value: 1000 }, false],
    [{ operatorType: 'NumberLessThanOrEquals', key: 'data.EXP', value: 1000 }, true],
    [{ operatorType: 'NumberGreaterThan', key: 'data.EXP', value: 999 }, true],
    [{ operatorType: 'NumberGreaterThanOrEquals', key: 'data.EXP', value: 1001 }, false],
    [{ operatorType: 'NumberGreaterThan', key: 'data.NBF', value: -1 }, false],
    [{ operatorType: 'NumberInRange', key: 'data.EXP', values: [[0, 1000]] }, true],
    [{ operatorType: 'NumberNotInRange', key: 'data.EXP', values: [[0, 1000]] }, false],
    [{ operatorType: 'BoolEquals', key: 'data.EXP', value: true }, false],
    [{ operatorType: 'IsNullOrUndefined', key: 'data.NBF' }, true],
    [{ operatorType: 'IsNotNull', key: 'data.EXP' }, true],
    [{ operatorType: 'IsNotNull', key: 'constructor.name' }, false],
  ]
  for (const [filter, expected] of cases) {
    assert.equal(passes(event, { ...everything, advancedFilters: [filter] }), expected, JSON.stringify(filter))
  }
})
