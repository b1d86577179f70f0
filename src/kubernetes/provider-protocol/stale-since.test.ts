import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import fc from 'fast-check'
import { type StaleContent, staleContent, staleReasonTrailer, staleSinceTrailer, staleTrailers } from './stale-since.ts'

function metadataOf(stale: StaleContent): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of staleTrailers(stale)) metadata.set(name, value)
  return metadata
}

test('what one side writes, the other reads, in whole seconds', () => {
  const moment = fc.integer({ min: 0, max: 4_102_444_800 }).map((seconds) => seconds * 1000)
  fc.assert(
    fc.property(moment, fc.string({ unit: 'grapheme', maxLength: 100 }), (since, reason) => {
      assert.deepEqual(staleContent(metadataOf({ since, reason })), { since, reason })
    }),
  )
})

test('an answer without the metadata is fresh, and so is one with an unreadable time', () => {
  assert.equal(staleContent(new Metadata()), undefined)
  const metadata = new Metadata()
  metadata.set(staleSinceTrailer, 'yesterday')
  assert.equal(staleContent(metadata), undefined)
})

test('a reason that is not well encoded is left out, and a long one is cut', () => {
  const metadata = new Metadata()
  metadata.set(staleSinceTrailer, '2026-11-28T14:02:00Z')
  metadata.set(staleReasonTrailer, '%zz')
  assert.deepEqual(staleContent(metadata), { since: Date.parse('2026-11-28T14:02:00Z'), reason: '' })
  assert.equal(staleContent(metadataOf({ since: 0, reason: 'x'.repeat(5000) }))?.reason.length, 700)
})
