import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SecretProviderClass } from '#kubernetes/client'
import { hasChangedSince } from './has-changed-since.ts'
import type { Report } from './reports.ts'

function classes(...managedFields: object[]) {
  const value: SecretProviderClass = {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace: 'shop', name: 'db', creationTimestamp: '2026-01-01T09:00:00Z', managedFields },
    spec: { provider: 'azure' },
  }
  return { classes: [{ className: 'db', volume: { name: 'secrets' }, class: { value } }] }
}

test('a report is older than the last change of the class: of its spec, and not of its annotations', () => {
  const report: Report = { step: 'V1', code: 'vault-name-not-resolved', text: '', at: '2026-01-01T10:00:00Z' }
  const spec = (time: string) => ({ time, fieldsV1: { 'f:spec': { 'f:parameters': {} } } })
  assert.equal(hasChangedSince(report, classes()), false)
  assert.equal(hasChangedSince(report, classes(spec('2026-01-01T09:59:59Z'))), false)
  assert.equal(hasChangedSince(report, classes(spec('2026-01-01T10:00:00Z'))), false, 'in the same second')
  assert.equal(hasChangedSince(report, classes(spec('2026-01-01T10:00:01Z'))), true)
  const annotated = { time: '2026-01-01T10:00:01Z', fieldsV1: { 'f:metadata': { 'f:annotations': {} } } }
  assert.equal(hasChangedSince(report, classes(annotated)), false)
  const again = { ...report, lastAt: '2026-01-01T10:05:00.5Z' }
  assert.equal(hasChangedSince(again, classes(spec('2026-01-01T10:04:00Z'))), false, 'it failed again after the change')
  const ofOther = { ...report, className: 'other' }
  assert.equal(hasChangedSince(ofOther, classes(spec('2026-01-01T10:00:01Z'))), false)
  const ofNode: Report = { ...report, step: 'K2', code: 'provider-unavailable' }
  assert.equal(hasChangedSince(ofNode, classes(spec('2026-01-01T10:00:01Z'))), false)
})
