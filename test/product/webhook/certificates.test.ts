import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { resources } from '#kubernetes/client'
import { webhookNames } from '#product/webhook'
import { eventually } from '../../support/eventually.ts'
import {
  classPath,
  classReview,
  configurationResources,
  host,
  namespace,
  podReview,
  samplePod,
  startWebhookLab,
  type WebhookLab,
} from './webhook-lab.ts'

const secretRef = { name: webhookNames.secret, namespace }

const fieldOf = async (lab: WebhookLab, key: string) =>
  Buffer.from((await lab.kube.get(resources.secrets, secretRef)).data?.[key] ?? '', 'base64').toString('utf8')

/** Forces a new certificate, as someone does who has lost the old one. */
const emptySecret = (lab: WebhookLab) => lab.kube.patch(resources.secrets, secretRef, { data: null })

/** Fingerprint of the certificate that a server shows. */
function shownBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: host, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '')
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

async function createAccount(lab: WebhookLab) {
  const metadata = { name: 'app', namespace: 'default' }
  await lab.kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
}

test('two replicas that start together agree on one certificate, which the API server trusts', async (t) => {
  const lab = await startWebhookLab(t)
  await createAccount(lab)
  const replicas = await Promise.all([lab.start(), lab.start()])
  await Promise.all(replicas.map(lab.ready))
  const certificate = new X509Certificate(await fieldOf(lab, 'tls.crt'))
  assert.ok(certificate.checkHost(host))
  assert.equal(await fieldOf(lab, 'ca.key'), '', 'the key of the authority is kept nowhere')
  for (const { port } of replicas) {
    await eventually(async () => assert.equal(await shownBy(port), certificate.fingerprint256))
    assert.equal((await lab.post(port, podReview(samplePod))).body.response.allowed, true)
  }
})

test('a rotation under load refuses no request, of pods or of classes, whichever replica answers', async (t) => {
  const lab = await startWebhookLab(t)
  await createAccount(lab)
  const replicas = await Promise.all([lab.start({ classChecks: 'warn' }), lab.start({ classChecks: 'warn' })])
  await Promise.all(replicas.map(lab.ready))
  await eventually(async () => assert.equal(await lab.bundle('classes'), await lab.bundle()))
  const before = await fieldOf(lab, 'tls.crt')

  let rotated = false
  let answered = 0
  const bundles = () => Promise.all([lab.bundle('pods'), lab.bundle('classes')])
  // An API server uses the bundle that it last saw, which may be older than what is stored.
  const load = replicas.map(async ({ port }) => {
    let cas = await bundles()
    while (!rotated) {
      const [next, pod, klass] = await Promise.all([
        bundles(),
        lab.post(port, podReview(samplePod), { ca: cas[0] }),
        lab.post(port, classReview({}), { ca: cas[1], path: classPath }),
      ])
      assert.equal(pod.body.response.allowed, true)
      assert.equal(klass.body.response.allowed, true)
      answered++
      cas = next
    }
  })
  const rotation = (async () => {
    try {
      await emptySecret(lab)
      const after = await eventually(async () => {
        const found = await fieldOf(lab, 'tls.crt')
        assert.ok(found !== '' && found !== before)
        return new X509Certificate(found)
      })
      for (const { port } of replicas) {
        await eventually(async () => assert.equal(await shownBy(port), after.fingerprint256))
      }
    } finally {
      rotated = true
    }
  })()
  await Promise.all([...load, rotation])
  assert.ok(answered > 10, `${answered} requests were answered during the rotation`)
  const old = (await lab.bundle()).match(/BEGIN CERTIFICATE/g)
  assert.equal(old?.length, 2, 'the old authority stays trusted until it ends')
})

test('a bundle that somebody empties is filled again, and other webhooks of the configuration stay as they are', async (t) => {
  const lab = await startWebhookLab(t)
  const webhook = await lab.start()
  await lab.ready(webhook)
  const bundle = await lab.bundle()
  const configuration = configurationResources.pods
  const ref = { name: webhookNames.configuration }
  const path = '/webhooks/1/clientConfig/caBundle'
  await lab.kube.patch(configuration, ref, [{ op: 'remove', path }], { type: 'json' })
  await eventually(async () => assert.equal(await lab.bundle(), bundle))
  const { webhooks } = (await lab.kube.get(configuration, ref)) as unknown as {
    webhooks: { clientConfig: { caBundle: string } }[]
  }
  assert.equal(webhooks[0]?.clientConfig.caBundle, 'b3RoZXI=')
})

test('the configuration of class checks is trusted too, and without it pods are served all the same', async (t) => {
  const lab = await startWebhookLab(t)
  const webhook = await lab.start({ classChecks: 'warn' })
  await lab.ready(webhook)
  await eventually(async () => assert.equal(await lab.bundle('classes'), await lab.bundle()))
  await lab.kube.delete(configurationResources.classes, { name: webhookNames.classConfiguration })
  await lab.ready(await lab.start({ classChecks: 'warn' }))
})

test('a Secret with a certificate for another name is renewed', async (t) => {
  const lab = await startWebhookLab(t)
  const broken = Buffer.from('no certificate').toString('base64')
  await lab.kube.patch(resources.secrets, secretRef, {
    data: { 'ca.crt': broken, 'tls.crt': broken, 'tls.key': broken, 'ca.key': broken },
  })
  const webhook = await lab.start()
  await lab.ready(webhook)
  assert.ok(new X509Certificate(await fieldOf(lab, 'tls.crt')).checkHost(host))
  assert.equal(await fieldOf(lab, 'ca.key'), '')
})

test("with somebody else's certificates, the files are served and read again when they change", async (t) => {
  const lab = await startWebhookLab(t)
  // Certificates to bring along: those of a replica that makes its own.
  const maker = await lab.start()
  await lab.ready(maker)
  const directory = await mkdtemp(join(tmpdir(), 'keymount-certs-'))
  t.after(() => rm(directory, { recursive: true }))
  for (const key of ['tls.crt', 'tls.key']) await writeFile(join(directory, key), await fieldOf(lab, key))
  const webhook = await lab.start({ certificates: { kind: 'files', directory } })
  await lab.ready(webhook)
  assert.equal(await shownBy(webhook.port), await shownBy(maker.port))
})

test('until there is a certificate, a replica lives and is not ready', async (t) => {
  const lab = await startWebhookLab(t)
  await lab.kube.delete(resources.secrets, secretRef)
  const webhook = await lab.start()
  const [health, ready] = await Promise.all(
    ['healthz', 'readyz'].map((path) => fetch(`http://127.0.0.1:${webhook.healthPort}/${path}`)),
  )
  assert.equal(health?.status, 200)
  assert.equal(ready?.status, 503)
  assert.equal(await ready?.text(), 'no certificate yet\n')
})

test('a replica that stops answers to the last request, and ends each connection with it', async (t) => {
  const lab = await startWebhookLab(t)
  await createAccount(lab)
  const webhook = await lab.start({ drainMs: 500 })
  await lab.ready(webhook)
  const stopping = webhook.stop()
  const response = await fetch(`http://127.0.0.1:${webhook.healthPort}/readyz`)
  assert.equal(await response.text(), 'stopping\n')
  const { body, connection } = await lab.post(webhook.port, podReview(samplePod))
  assert.equal(body.response.allowed, true)
  assert.equal(connection, 'close')
  await stopping
  await assert.rejects(shownBy(webhook.port), { code: 'ECONNREFUSED' })
})
