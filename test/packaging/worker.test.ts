import assert from 'node:assert/strict'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { checkClassTask } from '#azure/class'
import { readKeyMaterialTask } from '#lib/formats'
import { createWorkerPool } from '#lib/worker'
import { buildBundles } from '#packaging/image'
import { createOpenssl } from '../support/openssl.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('the worker threads of the image read certificates and check classes', async (t) => {
  const out = temporaryDirectory(t, 'keymount-worker-')
  await buildBundles({ root: resolve(import.meta.dirname, '../..'), out, node: process.execPath })
  const pool = createWorkerPool({ entry: join(out, 'worker.cjs'), timeoutMs: 30_000 })
  t.after(() => pool.stop())

  const openssl = createOpenssl(t)
  const { key, certificate } = openssl.certificate('app', { kind: 'ec' })
  const pfx = openssl.pfx({ key, certificates: [certificate], args: ['-legacy', '-passout', 'pass:'] })
  const { keys, certificates } = await pool.run(readKeyMaterialTask, { contents: new Uint8Array(pfx) })
  assert.deepEqual([keys.length, certificates.length], [1, 1])
  assert.equal((await pool.run(checkClassTask, {})).length, 2)
})
