import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Causes } from '../api-error.ts'
import type { ApiObject } from '../api-object.ts'
import { validateDefinition } from '../validation/definition.ts'
import { acceptDefinition, customRow } from './custom-resource.ts'

const version = (name: string, more = {}) => ({
  ...{ name, served: true, storage: false, schema: { openAPIV3Schema: { type: 'object' } }, ...more },
})

/** A valid definition, and what a row of a test changes in it. */
function definition(spec: object = {}): ApiObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [version('v1', { storage: true })],
      ...spec,
    },
  }
}

function causesOf(object: ApiObject): string[] {
  const causes = new Causes()
  validateDefinition(causes, object)
  return causes.list.map(({ field, message }) => `${field}: ${message}`)
}

test('a definition is completed and accepted at once', () => {
  const draft = definition()
  acceptDefinition(draft)
  const { names } = draft.spec as { names: object }
  assert.deepEqual(names, { plural: 'widgets', kind: 'Widget', singular: 'widget', listKind: 'WidgetList' })
  const { conditions, storedVersions } = draft.status as { conditions: { type: string }[]; storedVersions: string[] }
  assert.deepEqual(
    conditions.map(({ type }) => type),
    ['NamesAccepted', 'Established'],
  )
  assert.deepEqual(storedVersions, ['v1'])
  assert.deepEqual(causesOf(draft), [])
})

test('of the served versions the stored one comes first', () => {
  const versions = [version('v1alpha1'), version('v1', { storage: true }), version('v2', { served: false })]
  assert.deepEqual(customRow(definition({ versions })).versions, ['v1', 'v1alpha1'])
})

test('printer columns follow their paths', () => {
  const additionalPrinterColumns = [
    { name: 'Provider', type: 'string', jsonPath: '.spec.provider' },
    { name: 'First', type: 'integer', jsonPath: '.spec.list[0].size', priority: 1 },
    { name: 'Note', type: 'string', jsonPath: ".metadata.annotations['example.com/note']" },
    { name: 'Since', type: 'date', jsonPath: '.status.since' },
    { name: 'Failing', type: 'date', jsonPath: '.status.failingSince' },
    { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Why', type: 'string', jsonPath: `{.status.conditions[?(@.type != 'Ready')].reason}` },
    { name: 'Sizes', type: 'string', jsonPath: '.spec.list[*].size' },
  ]
  const row = customRow(definition({ versions: [version('v1', { additionalPrinterColumns })] }))
  const object: ApiObject = {
    ...{
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      metadata: { name: 'w', annotations: { 'example.com/note': 'hi' } },
    },
    ...{ spec: { provider: 'azure', list: [{ size: 3 }] } },
    status: {
      since: '2026-01-01T00:00:00Z',
      conditions: [
        { type: 'Made', reason: 'New' },
        { type: 'Ready', status: 'True' },
      ],
    },
  }
  const now = Date.parse('2026-01-01T00:01:00Z')
  const cells = row.columns('v1').map(({ name, cell }) => `${name}=${cell(object, now)}`)
  assert.deepEqual(cells, [
    'Name=w',
    'Provider=azure',
    'First=3',
    'Note=hi',
    'Since=60s',
    'Failing=undefined',
    'Ready=True',
    'Why=New',
    'Sizes=3',
  ])
})

test('a definition that needs more than the local cluster has is refused', () => {
  const anyOf = { type: 'object', anyOf: [] }
  const unreadable = [{ name: 'Last', type: 'string', jsonPath: '.spec.list[-1:]' }]
  const rows: [object, string][] = [
    [
      { versions: [version('v1', { storage: true, additionalPrinterColumns: unreadable })] },
      'spec.additionalPrinterColumns[0].jsonPath: Forbidden: the path .spec.list[-1:] is not supported by the local cluster',
    ],
    [
      { versions: [version('v1', { storage: true, schema: { openAPIV3Schema: anyOf } })] },
      'spec.validation.openAPIV3Schema.anyOf: Forbidden: the keyword anyOf is not supported by the local cluster',
    ],
    [
      { conversion: { strategy: 'Webhook', webhook: { clientConfig: {}, conversionReviewVersions: ['v1'] } } },
      'spec.conversion: Forbidden: conversion webhooks are not supported by the local cluster',
    ],
  ]
  for (const [change, expected] of rows) {
    const draft = definition(change)
    acceptDefinition(draft)
    assert.deepEqual(causesOf(draft), [expected])
  }
})

test('a definition without a strategy of conversion gets one, also when its writer gave up the one that an older lab recorded', () => {
  for (const change of [{}, { conversion: {} }]) {
    const draft = definition(change)
    acceptDefinition(draft)
    assert.deepEqual((draft.spec as { conversion: unknown }).conversion, { strategy: 'None' })
    assert.deepEqual(causesOf(draft), [])
  }
})
