import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { listenUnix } from './unix-socket.ts'

function temporaryPath(t: TestContext): string {
  const directory = temporaryDirectory(t, 'keymount-socket-')
  return join(directory, 'sub', 'test.sock')
}

function bindServer(path: string): Promise<Server> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve(server))
  })
}

const close = (server: Server) => new Promise((resolve) => server.close(resolve))

test('listenUnix() gives the socket mode 0700 and leaves the umask as it was', async (t) => {
  const path = temporaryPath(t)
  const before = process.umask()
  const server = await listenUnix(path, bindServer)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.equal(process.umask(), before)
  await close(server)
})

test('listenUnix() removes the socket of a process that was killed', async (t) => {
  const path = temporaryPath(t)
  const script = `const {mkdirSync}=require('fs');mkdirSync(require('path').dirname(${JSON.stringify(path)}));
    require('net').createServer().listen(${JSON.stringify(path)},()=>process.kill(process.pid,'SIGKILL'))`
  spawnSync(process.execPath, ['-e', script])
  assert.ok(statSync(path).isSocket(), 'the killed process left its socket')
  await close(await listenUnix(path, bindServer))
})

test('listenUnix() refuses a socket on which another process answers', async (t) => {
  const path = temporaryPath(t)
  const first = await listenUnix(path, bindServer)
  await assert.rejects(listenUnix(path, bindServer), /another process answers/)
  await close(first)
})

test('listenUnix() never removes a file that is not a socket', async (t) => {
  const path = join(temporaryPath(t), '..', '..', 'file')
  writeFileSync(path, 'precious')
  await assert.rejects(listenUnix(path, bindServer), /not a socket/)
  assert.equal(statSync(path).size, 8)
})

test('listenUnix() refuses a path that is too long for a socket', async () => {
  const path = `/tmp/${'x'.repeat(110)}.sock`
  await assert.rejects(
    listenUnix(path, async () => undefined),
    /x\.sock: a socket's path may have at most 107 bytes, this one has 120/,
  )
})
