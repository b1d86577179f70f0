import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isConflict, resources } from '#kubernetes/client'
import { startApiProxy } from '../../support/api-proxy.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { podReview, samplePod, startWebhookLab } from './webhook-lab.ts'

/** A webhook whose connection to the API server can be disturbed, and pods of a service account that it has to read each time. */
async function startDisturbedLab(t: TestContext) {
  const lab = await startWebhookLab(t)
  for (const [name, annotations] of [
    ['default', {}],
    ['app', { 'azure.workload.identity/client-id': 'client' }],
  ] as const) {
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: 'default', annotations } }
    await lab.kube.create(resources.serviceAccounts, account).catch((error) => {
      if (!isConflict(error)) throw error
    })
  }
  const proxy = await startApiProxy(lab.kubeconfig, join(temporaryDirectory(t), 'kubeconfig'))
  t.after(() => proxy.stop())
  const through = kubeClientOf(t, proxy.kubeconfig)
  // It is away while the webhook starts, too.
  let faults = 2
  proxy.fault = (line) => (line === 'GET /version' && faults-- > 0 ? 503 : undefined)
  const webhook = await lab.start({}, { kube: through })
  await lab.ready(webhook)
  const admit = async (serviceAccountName: string) => {
    const pod = { ...samplePod, spec: { ...samplePod.spec, serviceAccountName } }
    return (await lab.post(webhook.port, podReview(pod))).body.response
  }
  return { proxy, admit }
}

const readsAccount = (line: string) => line === 'GET /api/v1/namespaces/default/serviceaccounts/default'

test('a webhook whose API server stumbles', async (t) => {
  const { proxy, admit } = await startDisturbedLab(t)

  for (const status of [403, 429, 500, 503]) {
    await t.test(`refuses no pod for an answer of ${status} that lasts a moment`, async () => {
      let faults = 2
      proxy.fault = (line) => (readsAccount(line) && faults-- > 0 ? status : undefined)
      assert.equal((await admit('default')).allowed, true)
    })
  }

  await t.test('does not need it for a pod of a service account that is watched', async () => {
    proxy.fault = () => 503
    const { allowed, patch } = await admit('app')
    assert.equal(allowed, true)
    assert.notEqual(patch, undefined)
  })

  await t.test('refuses a pod whose service account cannot be read for long, and gives the reason', async () => {
    proxy.fault = (line) => (readsAccount(line) ? 503 : undefined)
    const { allowed, status } = await admit('default')
    assert.equal(allowed, false)
    assert.match(
      status?.message ?? '',
      /^cannot read service account default\/default: .*a fault that the test asked for/,
    )
  })
})
