import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { podReview, samplePod, startWebhookLab } from './webhook-lab.ts'

test('pods that ask for environment variables from files are refused, with the reason, where there are none', async (t) => {
  const lab = await startWebhookLab(t)
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'app', namespace: 'default' } }
  await lab.kube.create(resources.serviceAccounts, account).catch(() => undefined)
  const csi = { driver: 'secrets-store.csi.k8s.io', volumeAttributes: { secretProviderClass: 'shop' } }
  const pod = {
    ...samplePod,
    metadata: { ...samplePod.metadata, annotations: { 'keymount.dev/env': 'DB=db' } },
    spec: { ...samplePod.spec, serviceAccountName: 'app', volumes: [{ name: 'secrets', csi }] },
  }
  // The local cluster is a Kubernetes 1.34.
  for (const [envFiles, expected] of [
    [false, /the webhook of this cluster does not add environment variables \(--env-files\) \[env-not-enabled\]$/],
    [true, /need Kubernetes 1\.35 or newer, and the API server is v1\.34\.0\S* \[env-not-supported\]$/],
  ] as const) {
    const webhook = await lab.start({ envFiles })
    await lab.ready(webhook)
    const { status, body } = await lab.post(webhook.port, podReview(pod))
    assert.equal(status, 200)
    assert.equal(body.response.allowed, false)
    assert.match(body.response.status?.message ?? '', expected)
    assert.equal((await lab.post(webhook.port, podReview(samplePod))).body.response.allowed, true)
  }
})
