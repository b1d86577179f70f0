import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { type Lab, type LabOptions, startLab } from '../support/lab.ts'
import { removeNamespaces } from './namespaces.ts'
import { csiMounts } from './node.ts'

/**
 * The lab of a suite of cases, for the time of its `describe`: the product is installed once, and in the end no volume may be
 * left mounted. The function gives it while cases run.
 */
export function sharedLab(options: LabOptions): () => Lab {
  let lab: Lab
  before(async () => {
    lab = await startLab(options)
  })
  after(async () => {
    try {
      await removeNamespaces(lab)
      assert.deepEqual(await csiMounts(lab), [], 'no volume is left mounted')
    } finally {
      await lab.stop()
    }
  })
  return () => lab
}
