import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { status as Code, Metadata } from '@grpc/grpc-js'
import { resources } from '#kubernetes/client'
import { type DriverOverrides, startDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'

/** A driver whose class names a provider that is whatever listens on the socket. */
async function withSocket(t: TestContext, listen: (socket: string) => void, overrides: DriverOverrides = {}) {
  const driver = await startDriver(t, overrides)
  listen(join(driver.root, 'providers', 'hostile.sock'))
  await driver.createClass('hostile', { provider: 'hostile', parameters: { a: 'b' } })
  const pod = await driver.pod({ className: 'hostile' })
  return { driver, pod }
}

const file = (path: string, contents = 'x') => ({ path, mode: 0o644, contents: Buffer.from(contents) })
const versions = [{ id: 'a', version: '1' }]

/** A server of raw bytes, ended with the test together with every connection. */
function rawServer(t: TestContext, socket: string, onConnection: (connection: Socket) => void): void {
  const open = new Set<Socket>()
  const server = createServer((connection) => {
    open.add(connection.on('error', () => {}))
    onConnection(connection)
  })
  server.listen(socket)
  t.after(() => {
    for (const connection of open) connection.destroy()
    server.close()
  })
}

test('a provider that speaks something else than gRPC fails the mount at once', async (t) => {
  const { driver, pod } = await withSocket(t, (socket) =>
    rawServer(t, socket, (connection) => connection.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  )
  await assert.rejects(driver.publish(pod.request), { code: Code.UNAVAILABLE })
  assert.equal(existsSync(pod.targetPath), false)
})

test('a socket file without a listener fails the mount at once, and a retry finds the provider that came back', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  await driver.provider.stop()
  writeFileSync(driver.provider.socket, '')
  await assert.rejects(driver.publish(pod.request), {
    code: Code.UNAVAILABLE,
    details: /ENOTSOCK|ECONNREFUSED|connect/,
  })
})

test('a provider that accepts and never answers is given up when the pod is deleted', async (t) => {
  const { driver, pod } = await withSocket(t, (socket) => rawServer(t, socket, () => {}))
  const published = assert.rejects(driver.publish(pod.request), { code: Code.ABORTED })
  await eventually(async () => assert.equal(await driver.mounter.isMounted(pod.targetPath), true))
  await driver.unpublish(pod.request)
  await published
  assert.equal(existsSync(pod.targetPath), false)
})

test("a call that kubelet gave up ends with kubelet's deadline, and leaves nothing", async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  driver.provider.answer = () => new Promise(() => {})
  const { node } = driver
  const called = new Promise((resolve, reject) => {
    node.nodePublishVolume(pod.request, new Metadata(), { deadline: Date.now() + 200 }, (error, response) =>
      error === null ? resolve(response) : reject(error),
    )
  })
  await assert.rejects(called, { code: Code.DEADLINE_EXCEEDED })
  await eventually(() => assert.equal(existsSync(pod.targetPath), false))
  driver.provider.answer = undefined
  await driver.publish(pod.request)
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'secret')
})

test('hostile answers write nothing: climbing paths, huge names, bad modes, file and directory of one name', async (t) => {
  const driver = await startDriver(t)
  const outside = join(driver.root, 'outside')
  const answers = [
    [file(`../../../../../..${outside}`)],
    [file('..data/foo')],
    [file('..data')],
    [file('a'), file('a/b')],
    [file('x'.repeat(300))],
    [{ ...file('setuid'), mode: 0o4755 }],
    [{ ...file('negative'), mode: -1 }],
  ]
  for (const files of answers) {
    driver.provider.answer = () => ({ objectVersion: versions, error: undefined, files })
    const pod = await driver.pod()
    await assert.rejects(driver.publish(pod.request), { code: Code.UNKNOWN, details: /failed to write the files/ })
    assert.equal(existsSync(pod.targetPath), false)
  }
  assert.equal(existsSync(outside), false)
  assert.match(await driver.metrics(), /node_publish_error_total\{.*error_type="FileWriteError".*\} 7/)
})

test('error codes of a provider cannot flood the metrics', async (t) => {
  const driver = await startDriver(t)
  let i = 0
  driver.provider.answer = () => ({ objectVersion: [], error: { code: `Code${i++}` }, files: [] })
  const pod = await driver.pod()
  for (let n = 0; n < 60; n++) await assert.rejects(driver.publish(pod.request))
  const series = (await driver.metrics()).split('\n').filter((line) => line.startsWith('node_publish_error_total'))
  assert.ok(series.length <= 41, `${series.length}`)
  assert.match(series.join('\n'), /error_type="Other"/)
})

test('a target path that is a link is not followed', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  const elsewhere = join(driver.root, 'elsewhere')
  mkdirSync(elsewhere)
  mkdirSync(join(pod.targetPath, '..'), { recursive: true })
  symlinkSync(elsewhere, pod.targetPath)
  await assert.rejects(driver.publish(pod.request), { code: Code.INTERNAL, details: /is in the way/ })
  await assert.rejects(driver.unpublish(pod.request), { code: Code.INTERNAL, details: /is in the way/ })
  assert.equal(existsSync(elsewhere), true)
})

test('a forged status object gives no pod the files of another', async (t) => {
  const driver = await startDriver(t, { flags: ['--enable-secret-rotation'] })
  const victim = await driver.mountedPod({ name: 'victim', namespace: 'default' })
  await driver.kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'thief' } })
  const data = [{ objectName: 'foo', key: 'stolen' }]
  const forger = await driver.pod({
    name: 'victim',
    namespace: 'thief',
    secretObjects: [{ secretName: 'stolen', data }],
  })
  for (const uid of [victim.uid, forger.uid]) {
    await driver.kube.create(resources.secretProviderClassPodStatuses, {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClassPodStatus',
      metadata: {
        name: `forged-${uid}`,
        namespace: 'thief',
        labels: { 'internal.secrets-store.csi.k8s.io/node-name': 'node-1' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'victim', uid }],
      },
      status: {
        podName: 'victim',
        secretProviderClassName: 'victim',
        mounted: true,
        targetPath: victim.targetPath,
        objects: [],
      },
    })
  }
  await driver.restart()
  driver.provider.objects.set('foo', { content: 'rotated', version: '2' })
  await driver.publish(victim.request)
  const mount = driver.provider.mounts.at(-1)
  assert.match(mount?.attributes ?? '', /"csi.storage.k8s.io\/pod.namespace":"default"/)
  assert.deepEqual((await driver.kube.list(resources.secrets, { namespace: 'thief' })).items, [])
})

test('a provider of old that writes into the volume itself still works', async (t) => {
  const driver = await startDriver(t)
  driver.provider.answer = ({ targetPath }) => {
    writeFileSync(join(targetPath, 'legacy'), 'written by the provider')
    return { objectVersion: versions, error: undefined, files: [] }
  }
  const pod = await driver.mountedPod()
  assert.equal(readFileSync(join(pod.targetPath, 'legacy'), 'utf8'), 'written by the provider')
  driver.provider.answer = () => ({
    objectVersion: versions,
    error: undefined,
    files: [file('legacy', 'now by the driver')],
  })
  await driver.unpublish(pod.request)
  await driver.publish(pod.request)
  assert.equal(readFileSync(join(pod.targetPath, 'legacy'), 'utf8'), 'now by the driver')
})

test('two volumes of one pod with one class have a status object each, and a pod that comes back takes its own over', async (t) => {
  const driver = await startDriver(t)
  const first = await driver.mountedPod({ name: 'web', volume: 'one' })
  const targetPath = first.targetPath.replace('/one/mount', '/two/mount')
  const second = { ...first.request, targetPath, volumeId: 'csi-second' }
  await driver.publish(second)
  const names = (await driver.statuses()).map(({ metadata }) => metadata.name ?? '').toSorted()
  assert.equal(names[0], 'web-default-web')
  assert.match(names[1] ?? '', /^web-default-web-[0-9a-f]{10}$/)

  await driver.unpublish(first.request)
  await driver.kube.patch(
    resources.secretProviderClassPodStatuses,
    { name: 'web-default-web', namespace: 'default' },
    {
      metadata: { labels: { 'internal.secrets-store.csi.k8s.io/node-name': 'another-node', kept: 'yes' } },
      status: { objects: [] },
    },
  )
  await driver.publish(first.request)
  const taken = (await driver.statuses()).find(({ metadata }) => metadata.name === 'web-default-web')
  assert.deepEqual(taken?.metadata.labels, { 'internal.secrets-store.csi.k8s.io/node-name': 'node-1', kept: 'yes' })
  assert.deepEqual(taken?.status?.objects, [{ id: 'secret/foo', version: 'v1' }])
})
