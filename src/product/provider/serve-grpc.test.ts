import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { silentLog } from '#lib'
import { connectProvider, failureOf } from '../../../test/support/provider.ts'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import type { Mount } from './mount.ts'
import { createProviderMetrics } from './provider-metrics.ts'
import { type ServeGrpcOptions, serveGrpc } from './serve-grpc.ts'

async function serve(t: TestContext, options: Pick<ServeGrpcOptions, 'mount' | 'mountTimeoutMs'>) {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'azure.sock')
  const around = { runtimeVersion: 'v0', metrics: createProviderMetrics(), log: silentLog, drainMs: 10 }
  const running = await serveGrpc({ ...around, endpoint: { kind: 'unix', path }, ...options })
  t.after(async () => {
    await running.stop()
  })
  return connectProvider(t, path)
}

const nothing = {
  response: { objectVersion: [], files: [], error: undefined },
  stale: undefined,
  vaults: '',
  heldToken: '',
}

test('a mount that hangs is answered before its caller gives up', async (t) => {
  const provider = await serve(t, { mount: () => new Promise(() => {}), mountTimeoutMs: 20 })
  const { code, details } = await failureOf(provider.mount({}))
  assert.equal(code, status.DEADLINE_EXCEEDED)
  assert.match(details, /context deadline exceeded \(no result within 0.02 s/)
})

test('a request larger than 4 MiB is refused before it is parsed', async (t) => {
  let looked = false
  const mount: Mount = async () => {
    looked = true
    return nothing
  }
  const provider = await serve(t, { mount })
  const { code } = await failureOf(provider.mount({ attributes: 'x'.repeat(5 * 1024 * 1024) }))
  assert.equal(code, status.RESOURCE_EXHAUSTED)
  assert.equal(looked, false)
})
