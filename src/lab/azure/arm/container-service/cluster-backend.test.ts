import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ClusterBackend, loadedWhenUsed } from './cluster-backend.ts'

test('a backend is loaded once, when it is first used, and again after it could not be loaded', async () => {
  let loads = 0
  const backend = loadedWhenUsed(async () => {
    loads += 1
    if (loads === 1) throw new Error('a file is missing')
    return { kubernetesVersion: async () => '1.34.0' } as ClusterBackend
  })
  assert.equal(loads, 0)
  await assert.rejects(backend.kubernetesVersion(), /a file is missing/)
  assert.equal(await backend.kubernetesVersion(), '1.34.0')
  assert.equal(await backend.kubernetesVersion(), '1.34.0')
  assert.equal(loads, 2)
})
