import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { resources } from '#kubernetes/client'
import { type Clock, systemClock } from '#lib'
import { createAuthority, issueCertificate } from '#lib/formats'
import { type RunningWebhook, webhookNames } from '#product/webhook'
import { eventually } from '../../support/eventually.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
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

/** Forces a new certificate, as an administrator does who has lost the old one. */
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

const dayMs = 24 * 3600 * 1000

/** A certificate of an authority of its own, as a replica issues it at this time. */
async function certificateFor(name: string, now: number) {
  const validity = { notBefore: new Date(now - 3600 * 1000), notAfter: new Date(now + 365 * dayMs) }
  const authority = await createAuthority({ name: 'CN=test', ...validity })
  const issued = await issueCertificate(authority, {
    subject: 'CN=test',
    usage: 'server',
    alternativeNames: [name],
    ...validity,
  })
  return { ...issued, ca: authority.certificate }
}

/** A replica whose wall clock is off by so much. */
function startWithClock(lab: WebhookLab, offsetMs: number): Promise<RunningWebhook> {
  const clock: Clock = { ...systemClock, now: () => Date.now() + offsetMs }
  return lab.start({}, { clock, kube: lab.connect({ clock }) })
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
  const config = { classChecks: 'warn', certificates: { kind: 'own', namespace, propagationMs: 5000 } } as const
  const replicas = await Promise.all([lab.start(config), lab.start(config)])
  await Promise.all(replicas.map(lab.ready))
  await eventually(async () => assert.equal(await lab.bundle('classes'), await lab.bundle()))
  const before = await fieldOf(lab, 'tls.crt')

  let rotated = false
  let answered = 0
  const bundles = () => Promise.all([lab.bundle('pods'), lab.bundle('classes')])
  // An API server uses the bundle that it last saw, which may be older than what is stored: here by one round, far less than
  // propagationMs on a busy machine too.
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
      const answeredBefore = answered
      await eventually(() =>
        assert.ok(answered > answeredBefore + 4, 'requests are answered with the new certificate too'),
      )
    } finally {
      rotated = true
    }
  })()
  await Promise.all([...load, rotation])
  const old = (await lab.bundle()).match(/BEGIN CERTIFICATE/g)
  assert.equal(old?.length, 2, 'the old authority stays trusted until it expires')
})

test('a bundle that is emptied is filled again, and other webhooks of the configuration stay unchanged', async (t) => {
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

test('a replica registers the webhook before it is ready, and registers it again when its rules are lost', async (t) => {
  const lab = await startWebhookLab(t)
  const rules = async (of: 'pods' | 'classes', name: string) => {
    const { webhooks } = (await lab.kube.get(configurationResources[of], { name })) as unknown as {
      webhooks: { rules?: object[] }[]
    }
    return webhooks.map((webhook) => webhook.rules ?? [])
  }
  const podRules = () => rules('pods', webhookNames.configuration)
  assert.deepEqual(await podRules(), [[], []])
  await lab.ready(await lab.start({ classChecks: 'warn' }))
  const own = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: '*' }
  assert.deepEqual(await podRules(), [[], [own]], 'the other entry of the configuration is not changed')
  await eventually(async () => {
    const [[rule] = []] = await rules('classes', webhookNames.classConfiguration)
    assert.partialDeepStrictEqual(rule, { operations: ['CREATE', 'UPDATE'], resources: ['secretproviderclasses'] })
  })

  const ref = { name: webhookNames.configuration }
  const lose = [{ op: 'remove', path: '/webhooks/1/rules' }]
  await lab.kube.patch(configurationResources.pods, ref, lose, { type: 'json' })
  await eventually(async () => assert.deepEqual(await podRules(), [[], [own]]))

  const others = [{ ...own, resources: ['pods', 'pods/ephemeralcontainers'] }]
  const change = [{ op: 'replace', path: '/webhooks/1/rules', value: others }]
  await lab.kube.patch(configurationResources.pods, ref, change, { type: 'json' })
  await lab.ready(await lab.start())
  assert.deepEqual(await podRules(), [[], others], 'rules of another program stay')
})

test('a replica that has not listed the service accounts registers nothing', async (t) => {
  const lab = await startWebhookLab(t)
  const list = lab.kube.list
  const kube = {
    ...lab.kube,
    list: ((resource: { plural: string }, ...rest: []) =>
      resource.plural === 'serviceaccounts'
        ? Promise.reject(new Error('not now'))
        : list(resource as never, ...rest)) as typeof list,
  }
  const webhook = await lab.start({}, { kube })
  await eventually(async () => assert.match(await lab.bundle(), /BEGIN CERTIFICATE/))
  const response = await fetch(`http://127.0.0.1:${webhook.healthPort}/readyz`)
  assert.equal(await response.text(), 'service accounts are not listed yet\n')
  const { webhooks } = (await lab.kube.get(configurationResources.pods, {
    name: webhookNames.configuration,
  })) as unknown as { webhooks: { rules?: object[] }[] }
  assert.ok(webhooks.every(({ rules = [] }) => rules.length === 0))
})

test('the configuration of class checks trusts us too, and without it pods are still served', async (t) => {
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

test('certificate files of other software are served, and read again when they change', async (t) => {
  const lab = await startWebhookLab(t)
  const directory = temporaryDirectory(t)
  const replaceFiles = async () => {
    const { certificate, privateKey } = await certificateFor(host, Date.now())
    await writeFile(join(directory, 'tls.key'), privateKey.revealText())
    await writeFile(join(directory, 'tls.crt'), certificate)
    return new X509Certificate(certificate).fingerprint256
  }
  const first = await replaceFiles()
  // Time between two reads is 10 s, of which the test waits for a fraction.
  const clock: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms / 500, run) }
  const webhook = await lab.start({ certificates: { kind: 'files', directory } }, { clock })
  await lab.ready(webhook)
  assert.equal(await shownBy(webhook.port), first)
  const second = await replaceFiles()
  await eventually(async () => assert.equal(await shownBy(webhook.port), second))
})

test("a replica whose clock is far from the API server's neither issues nor removes a certificate, and serves that of the others", async (t) => {
  const lab = await startWebhookLab(t)
  for (const [days, direction] of [
    [366, 'ahead of'],
    [-366, 'behind'],
  ] as const) {
    await emptySecret(lab)
    const wrong = await startWithClock(lab, days * dayMs)
    const reason = await eventually(async () => {
      const text = await (await fetch(`http://127.0.0.1:${wrong.healthPort}/readyz`)).text()
      assert.match(text, /clock/)
      return text
    })
    assert.match(
      reason,
      new RegExp(`is \\d+ s ${direction} the API server's; certificates are neither issued nor removed`),
    )
    assert.equal(await fieldOf(lab, 'tls.crt'), '')

    const right = await lab.start()
    await lab.ready(right)
    await lab.ready(wrong)
    assert.equal(await shownBy(wrong.port), await shownBy(right.port))
    const [bundle, certificate] = [await lab.bundle(), await fieldOf(lab, 'tls.crt')]
    // Each change makes both replicas take a step.
    await lab.kube.patch(resources.secrets, secretRef, { metadata: { annotations: { touched: String(days) } } })
    await lab.ready(await startWithClock(lab, 3 * 366 * dayMs))
    assert.deepEqual([await lab.bundle(), await fieldOf(lab, 'tls.crt')], [bundle, certificate])
    await Promise.all([wrong.stop(), right.stop()])
  }
})

test('a certificate that is not valid yet is replaced', async (t) => {
  const lab = await startWebhookLab(t)
  const { ca, certificate, privateKey } = await certificateFor(host, Date.now() + 400 * dayMs)
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const data = { 'ca.crt': base64(ca), 'tls.crt': base64(certificate), 'tls.key': base64(privateKey.revealText()) }
  await lab.kube.patch(resources.secrets, secretRef, { data })
  await lab.ready(await lab.start())
  const served = new X509Certificate(await fieldOf(lab, 'tls.crt'))
  assert.ok(served.validFromDate.getTime() < Date.now())
})

test('until there is a certificate, a replica is alive and not ready', async (t) => {
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

test('a replica that stops answers the last requests, and ends each connection with its answer', async (t) => {
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
