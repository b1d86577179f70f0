import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { createAuthority, issueCertificate } from '#lib/formats'
import { podReview, samplePod, startWebhookLab } from './webhook-lab.ts'

const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3600_000) }

async function client(authority: Awaited<ReturnType<typeof createAuthority>>, name: string) {
  const { certificate, privateKey } = await issueCertificate(authority, {
    subject: [{ CN: [name] }],
    usage: 'client',
    ...validity,
  })
  return { cert: certificate, key: privateKey.revealText() }
}

test('where the API server has to show its certificate, only the API server is answered', async (t) => {
  const lab = await startWebhookLab(t)
  const metadata = { name: 'app', namespace: 'default' }
  await lab.kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  const [ours, theirs] = await Promise.all([
    createAuthority({ name: 'CN=front-proxy', ...validity }),
    createAuthority({ name: 'CN=front-proxy', ...validity }),
  ])
  const clients = { ca: ours.certificate, names: ['kube-apiserver'] }
  const webhook = await lab.start({ clients })
  await lab.ready(webhook)
  const post = (certificate: { cert: string; key: string } | undefined) =>
    lab.post(webhook.port, podReview(samplePod), { client: certificate })

  assert.equal((await post(await client(ours, 'kube-apiserver'))).body.response.allowed, true)
  for (const refused of [undefined, await client(theirs, 'kube-apiserver'), await client(ours, 'pod')]) {
    await assert.rejects(post(refused), /^Error: 403 a client certificate of the API server is required/)
  }
  assert.equal((await fetch(`http://127.0.0.1:${webhook.healthPort}/healthz`)).status, 200)
})
