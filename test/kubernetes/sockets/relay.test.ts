import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { after, suite, type TestContext, test } from 'node:test'
import { Code, checkHealth } from '#kubernetes/grpc'
import { createProviderClient } from '#kubernetes/provider-protocol'
import { createRelayedSockets } from '#kubernetes/sockets'
import { silentLog } from '#lib'
import { startDriver } from '../../support/driver.ts'
import { startDriverProcess } from '../../support/driver-process.ts'
import { eventually } from '../../support/eventually.ts'
import { startFakeProvider } from '../../support/fake-provider.ts'
import { startHealthServer } from '../../support/health-server.ts'
import { mayMount } from '../../support/may-mount.ts'
import { buildRelay, findGo, goMissing, startRelay, type TestRelay } from '../../support/relay.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** The relay of the Windows image on this machine: the same program, on the Unix sockets of Linux. */
suite('relay', { skip: findGo() === undefined ? goMissing : false }, () => {
  const program = buildRelay({ after })

  async function relayed(t: TestContext) {
    const relay = await startRelay(t, program)
    const sockets = createRelayedSockets({ relay, log: silentLog })
    t.after(() => sockets.stop())
    return { relay, sockets, directory: temporaryDirectory(t) }
  }

  test('a server is reached on its socket, which has mode 0700 and goes when the server stops', async (t) => {
    const { sockets, directory } = await relayed(t)
    const path = join(directory, 'sub', 'azure.sock')
    const running = await startHealthServer(t, path, { sockets })
    assert.equal(await checkHealth(`unix:${path}`, { timeoutMs: 5000 }), 1)
    assert.equal(await checkHealth(sockets.address(path), { timeoutMs: 5000 }), 1)
    assert.ok(lstatSync(path).isSocket())
    assert.equal(lstatSync(path).mode & 0o077, 0)
    assert.deepEqual(sockets.list(join(directory, 'sub')), ['azure.sock'])
    await running.stop()
    await eventually(() => assert.equal(existsSync(path), false))
    assert.equal(sockets.identity(path), undefined)
  })

  test('a provider is reached on its socket, and again after it has started again', async (t) => {
    const { sockets, directory } = await relayed(t)
    const client = createProviderClient({ directories: [directory], sockets, maxReceiveBytes: 64 * 1024 * 1024 })
    t.after(() => client.stop())
    await assert.rejects(client.version('e2e-provider'), /no provider runs on this node/)
    const first = await startFakeProvider(directory)
    assert.equal((await client.version('e2e-provider')).version, 'v1alpha1')
    await first.stop()
    const second = await startFakeProvider(directory)
    t.after(() => second.stop())
    await eventually(async () => assert.equal((await client.version('e2e-provider')).version, 'v1alpha1'))
  })

  test('an answer of 16 MiB arrives whole', async (t) => {
    const { sockets, directory } = await relayed(t)
    const provider = await startFakeProvider(directory)
    t.after(() => provider.stop())
    const contents = Buffer.alloc(16 * 1024 * 1024, 'abcdefg')
    provider.answer = () => ({ objectVersion: [], files: [{ path: 'a', mode: 0, contents }], error: undefined })
    const client = createProviderClient({ directories: [directory], sockets, maxReceiveBytes: 64 * 1024 * 1024 })
    t.after(() => client.stop())
    const { files } = await client.mount('e2e-provider', {
      attributes: '{}',
      secrets: '',
      permission: '420',
      targetPath: '/target',
      currentObjectVersion: [],
    })
    assert.equal(Buffer.compare(files[0]?.contents ?? Buffer.alloc(0), contents), 0)
  })

  test('a socket on which another process answers is refused, and one that a process left behind is replaced', async (t) => {
    const { sockets, directory } = await relayed(t)
    const path = join(directory, 'a.sock')
    const other = createServer().listen(path)
    await once(other, 'listening')
    await assert.rejects(startHealthServer(t, path, { sockets }), {
      code: 'SocketUnavailable',
      message: /another process answers/,
    })
    other.close()
    const left = await startRelay(t, program)
    const sockets2 = createRelayedSockets({ relay: left, log: silentLog })
    await startHealthServer(t, path, { sockets: sockets2 })
    left.child.kill('SIGKILL')
    await once(left.child, 'exit')
    assert.ok(existsSync(path))
    await startHealthServer(t, path, { sockets })
    assert.equal(await checkHealth(`unix:${path}`, { timeoutMs: 5000 }), 1)
  })

  test('a file that is not a socket is never removed', async (t) => {
    const { sockets, directory } = await relayed(t)
    const path = join(directory, 'a.sock')
    writeFileSync(path, 'precious')
    await assert.rejects(startHealthServer(t, path, { sockets }), /not a socket/)
    assert.equal(readFileSync(path, 'utf8'), 'precious')
  })

  for (const [title, line] of [
    ['with another secret', `${'0'.repeat(64)} dial /x\n`],
    ['without a secret', 'dial /x\n'],
    ['with an endless line', 'x'.repeat(8192)],
  ] as const) {
    test(`a connection ${title} is closed without an answer`, async (t) => {
      const { relay } = await relayed(t)
      assert.equal(await answerTo(relay, line), '')
    })
  }

  test('a socket that is not there is an error with its reason', async (t) => {
    const { relay, directory } = await relayed(t)
    assert.match(
      await answerTo(relay, `${relay.secret} dial ${join(directory, 'none.sock')}\n`),
      /^error .*no such file/,
    )
  })

  test('a call to a socket that is not there fails as unavailable', async (t) => {
    const { sockets, directory } = await relayed(t)
    await assert.rejects(checkHealth(sockets.address(join(directory, 'none.sock')), { timeoutMs: 3000 }), (error) => {
      assert.ok([Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED].includes((error as { code: Code }).code))
      return true
    })
  })

  test('the driver publishes through the relay, and ends with status 0 when the relay is asked to', {
    skip: mayMount() ? false : 'needs root or a user namespace',
  }, async (t) => {
    const { root, kubeconfig, provider, pod, running, node, identity } = await startDriver(t)
    for (const client of [node, identity]) client.close()
    await running.stop()
    provider.objects.set('foo', { content: 'through the relay', version: 'v1' })
    const driver = await startDriverProcess({ root, kubeconfig, within: [program] })
    const { request, targetPath } = await pod()
    await new Promise<void>((resolve, reject) =>
      driver.node.nodePublishVolume(request, (error) => (error === null ? resolve() : reject(error))),
    )
    assert.equal(readFileSync(join(targetPath, 'foo'), 'utf8'), 'through the relay')
    await new Promise<void>((resolve, reject) =>
      driver.node.nodeUnpublishVolume({ volumeId: request.volumeId, targetPath }, (error) =>
        error === null ? resolve() : reject(error),
      ),
    )
    assert.equal(existsSync(targetPath), false)
    assert.equal(await driver.stop(), 0, driver.output())
    assert.match(driver.output(), /"stopping"/)
  })
})

/** All that the relay sends until it closes the connection. */
async function answerTo({ port }: TestRelay, line: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8')
  let answer = ''
  socket.on('data', (text: string) => {
    answer += text
  })
  socket.on('error', () => {})
  socket.write(line)
  await new Promise((resolve) => socket.once('close', resolve))
  return answer
}
