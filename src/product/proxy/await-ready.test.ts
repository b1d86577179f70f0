import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { loopbackPort } from '../../../test/support/loopback-port.ts'
import { awaitReady } from './await-ready.ts'

function serve(t: TestContext, statuses: number[]): Promise<number> {
  return loopbackPort(
    t,
    createServer((_, response) => response.writeHead(statuses.shift() ?? 500).end()),
  )
}

test('awaitReady() is content with the first 200', async (t) => {
  const statuses = [503, 503, 200, 200]
  await awaitReady({ port: await serve(t, statuses), pauseMs: 1 })
  assert.deepEqual(statuses, [200])
})

test('awaitReady() throws the last reason when no answer is 200', async (t) => {
  const port = await serve(t, [503])
  await assert.rejects(
    awaitReady({ port, attempts: 2, pauseMs: 1 }),
    new RegExp(`^Error: http://127.0.0.1:${port}/readyz answered 500, expected 200$`),
  )
})

test('awaitReady() names the port that nothing listens on', async () => {
  await assert.rejects(awaitReady({ port: 1, attempts: 2, pauseMs: 1 }), /127.0.0.1:1 refused the connection/)
})
