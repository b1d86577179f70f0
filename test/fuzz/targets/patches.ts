import assert from 'node:assert/strict'
import { jsonPatch, mergePatch, strategicPatch } from '../../../src/lab/cluster/api-server/objects/patch.ts'
import { refuses } from '../expected-error.ts'

/** A patch of an object of the local cluster, as JSON text, in all its kinds. Prototypes are never reached. */
export function fuzz(data: Buffer): void {
  let patch: unknown
  try {
    patch = JSON.parse(data.toString('utf8'))
  } catch {
    return
  }
  const target = () => ({
    metadata: { name: 'p', labels: { a: 'b' }, annotations: {} },
    spec: { containers: [{ name: 'c', image: 'i' }], list: [1, { k: [2] }] },
  })
  refuses(() => mergePatch(target(), patch))
  refuses(() => jsonPatch(target(), patch))
  refuses(() => strategicPatch(target(), patch as object, () => undefined))
  assert.deepEqual(Object.keys(Object.prototype), [], 'the prototype of all objects changed')
}
