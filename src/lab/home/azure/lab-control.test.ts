import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../../../test/support/temporary-directory.ts'
import { createLabControl } from './lab-control.ts'

test('a host is one part of the path, whatever is in it', async (t) => {
  const asked: string[] = []
  const server = createServer(({ method, url }, response) => {
    asked.push(`${method} ${url}`)
    response.writeHead(204).end()
  })
  t.after(() => server.close())
  const path = join(temporaryDirectory(t), 's.sock')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const control = createLabControl(path)
  await control.clearFault('a.b/../../requests')
  await control.setFault('a?b#c', { kind: 'unreachable' })
  assert.deepEqual(asked, ['DELETE /faults/a.b%2F..%2F..%2Frequests', 'PUT /faults/a%3Fb%23c'])
})
