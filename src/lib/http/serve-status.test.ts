import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { serveStatus } from './serve-status.ts'

test('requests of one path at the same time share one answer, and a later one gets its own', async (t) => {
  let runs = 0
  const gate = Promise.withResolvers<void>()
  const status = await serveStatus(
    { host: '127.0.0.1', port: 0 },
    {
      '/readyz': async () => {
        const run = ++runs
        await gate.promise
        return { body: `run ${run}\n` }
      },
      '/open': () => {
        gate.resolve()
        return { body: 'open\n' }
      },
    },
  )
  t.after(status.stop)
  const head = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`
  // On one connection, the server reads them in this order.
  const socket = connect(status.port, '127.0.0.1')
  socket.write(`${head('/readyz').repeat(3)}${head('/open', 'connection: close\r\n')}`)
  const answers = (await text(socket)).match(/^(run \d|open)$/gm)
  assert.deepEqual(answers, ['run 1', 'run 1', 'run 1', 'open'])
  const later = await fetch(`http://127.0.0.1:${status.port}/readyz`)
  assert.equal(await later.text(), 'run 2\n')
})
