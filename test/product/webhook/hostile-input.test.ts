import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { resources } from '#kubernetes/client'
import { webhookLimits } from '#product/webhook'
import { eventually } from '../../support/eventually.ts'
import { host, podReview, samplePod, startWebhookLab, type WebhookLab } from './webhook-lab.ts'

const mebibyte = 1024 * 1024

async function startReady(lab: WebhookLab) {
  const metadata = { name: 'app', namespace: 'default' }
  await lab.kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  const webhook = await lab.start()
  await lab.ready(webhook)
  return webhook
}

/** A connection over which a test sends what it likes; `answer` is what has come back. */
function openRaw(port: number, ca: string): Promise<{ socket: TLSSocket; answer(): string; closed: Promise<void> }> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect({ host: '127.0.0.1', port, servername: host, ca }, () =>
      resolve({ socket, answer: () => text, closed }),
    )
    const closed = new Promise<void>((done) => socket.once('close', () => done()))
    socket.on('error', reject)
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
    })
  })
}

const head = (length: number) =>
  `POST /mutate-v1-pod HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`

test('pods and connections of an attacker', { timeout: 120_000 }, async (t) => {
  const lab = await startWebhookLab(t)
  const webhook = await startReady(lab)
  const ca = await lab.bundle()
  const admit = async (pod: object) => (await lab.post(webhook.port, podReview(pod))).body.response
  const podWith = (spec: object) => ({ ...samplePod, spec: { ...samplePod.spec, ...spec } })

  await t.test(
    'a mountPath of a megabyte of slashes is admitted unchanged, with a warning that names the limit',
    async () => {
      const mountPath = `/x${'/'.repeat(mebibyte)}y`
      const containers = [{ name: 'app', volumeMounts: [{ name: 'v', mountPath }] }]
      const { allowed, patch, warnings } = await admit(podWith({ containers }))
      assert.deepEqual([allowed, patch], [true, undefined])
      assert.match(
        warnings?.join() ?? '',
        /^the pod gets no token: mountPath .* at most 4,096 characters are accepted$/,
      )
    },
  )

  await t.test('so is a pod of 20,000 containers, or of as many mounts', async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => ({ name: `c${i}`, mountPath: `/${i}` }))
    for (const containers of [many, [{ name: 'app', volumeMounts: many }]]) {
      const { allowed, patch, warnings } = await admit(podWith({ containers }))
      assert.deepEqual([allowed, patch], [true, undefined])
      assert.match(warnings?.join() ?? '', /containers and volume mounts of a pod: found 20,00\d, at most 1,000/)
    }
  })

  await t.test('a body of two million empty objects is refused before it is parsed', async () => {
    const body = `{"request":{"object":[${'{},'.repeat(2_000_000)}{}]}}`
    const { response } = (await lab.post(webhook.port, {}, { body })).body
    assert.deepEqual([response.allowed, response.status?.code], [false, 413])
    assert.match(response.status?.message ?? '', /values in the JSON .*: at most 100,000 are accepted/)
  })

  await t.test('a pod at the limits gets its token', async () => {
    const mounts = Array.from({ length: 9 }, (_, i) => ({ name: 'v', mountPath: `/${i}`.padEnd(4096, 'x') }))
    const containers = Array.from({ length: 100 }, (_, i) => ({ name: `c${i}`, volumeMounts: mounts }))
    const { allowed, patch, warnings } = await admit(podWith({ containers }))
    assert.equal(allowed, true)
    assert.notEqual(patch, undefined)
    assert.ok(!warnings?.some((warning) => /gets no token/.test(warning)))
  })

  await t.test(
    'forty bodies of 7 MiB that never end take no more than the budget, and pods are admitted meanwhile',
    async () => {
      const senders = await Promise.all(Array.from({ length: 40 }, () => openRaw(webhook.port, ca)))
      const size = webhookLimits.body.value
      const part = Buffer.alloc(mebibyte, ' ')
      for (const { socket } of senders) {
        socket.write(head(size))
        for (let sent = 0; sent < 6; sent++) socket.write(part)
      }
      const kept = Math.floor(webhookLimits.bodies.value / (6 * mebibyte))
      await eventually(async () => {
        assert.equal((await admit(samplePod)).allowed, true)
        const refused = senders.filter(({ answer }) => answer() !== '')
        assert.ok(refused.length >= senders.length - kept, `${refused.length} of ${senders.length} were refused`)
        for (const { answer } of refused) assert.match(answer(), /^HTTP\/1.1 503 .*\r\nretry-after: 1\r\n/s)
      })
      const { allowed, patch } = await admit(samplePod)
      assert.equal(allowed, true)
      assert.notEqual(patch, undefined)
      for (const { socket } of senders) socket.destroy()
    },
  )

  await t.test('the budget is free again afterwards', async () => {
    const filler = 'x'.repeat(6 * mebibyte)
    for (let round = 0; round < 8; round++) {
      const pod = { ...samplePod, metadata: { ...samplePod.metadata, annotations: { filler } } }
      assert.equal((await admit(pod)).allowed, true)
    }
  })

  await t.test('clients that connect and never speak TLS keep no other client out, and are disconnected', async () => {
    const silent: Socket[] = []
    for (let round = 0; round < 3; round++) {
      const opened = Array.from({ length: webhookLimits.connections.value }, () =>
        connectTcp(webhook.port, '127.0.0.1'),
      )
      silent.push(...opened)
      for (const socket of opened) socket.on('error', () => undefined).resume()
      await Promise.all(opened.map((socket) => once(socket, 'connect')))
      assert.equal((await admit(samplePod)).allowed, true)
    }
    await Promise.all(silent.map((socket) => socket.closed || once(socket, 'close')))
  })

  await t.test('clients that finish the handshake and send nothing keep no other client out either', async () => {
    const idle = await Promise.all(
      Array.from({ length: webhookLimits.connections.value }, () => openRaw(webhook.port, ca)),
    )
    for (const { socket } of idle) socket.on('error', () => undefined)
    assert.equal((await admit(samplePod)).allowed, true)
    for (const { socket } of idle) socket.destroy()
  })

  await t.test('a client that sends half of its request is disconnected', async () => {
    const [headless, bodiless] = await Promise.all([openRaw(webhook.port, ca), openRaw(webhook.port, ca)])
    headless.socket.write('POST /mutate-v1-pod HTTP/1.1\r\nhost: x\r\n')
    bodiless.socket.write(`${head(100)}{`)
    await Promise.all([headless.closed, bodiless.closed])
    for (const { answer } of [headless, bodiless]) assert.match(answer(), /^HTTP\/1.1 408/)
  })
})
