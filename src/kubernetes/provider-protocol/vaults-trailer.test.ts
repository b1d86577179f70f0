import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import fc from 'fast-check'
import { vaultsIn, vaultsText, vaultsTrailer } from './vaults-trailer.ts'

function metadataOf(text: string): Metadata {
  const metadata = new Metadata()
  if (text !== '') metadata.set(vaultsTrailer, text)
  return metadata
}

test('the vaults of an answer are read as they were written, each once', () => {
  const host = fc.stringMatching(/^[a-z0-9][a-z0-9-]{1,22}$/).map((name) => `${name}.vault.azure.net`)
  fc.assert(
    fc.property(fc.array(host, { maxLength: 16 }), (hosts) => {
      assert.deepEqual(vaultsIn(metadataOf(vaultsText(hosts))), [...new Set(hosts)])
    }),
  )
})

test('too many vaults, and any other text, give an empty list', () => {
  assert.equal(vaultsText(Array.from({ length: 17 }, (_, i) => `v${i}.vault.azure.net`)), '')
  for (const text of ['', 'shop.vault.azure.net,', 'Shop', 'a b', 'x'.repeat(300), `${'a,'.repeat(20)}a`])
    assert.deepEqual(vaultsIn(metadataOf(text)), [], text)
})
