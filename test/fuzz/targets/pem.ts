import assert from 'node:assert/strict'
import { decodePem, encodePem } from '#lib/formats'
import { refuses } from '../expected-error.ts'

/** PEM text; what is decoded survives being encoded again. */
export function fuzz(data: Buffer): void {
  const blocks = refuses(() => decodePem(data.toString('latin1'))) ?? []
  for (const { label, der } of blocks) {
    const [again] = decodePem(encodePem({ label, der }))
    assert.ok(again !== undefined && again.label === label && Buffer.compare(again.der, der) === 0, 'a block changed')
  }
}
