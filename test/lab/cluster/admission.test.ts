import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type KubeClient, KubeError, type Pod, resources } from '#kubernetes/client'
import { webhookNames } from '#product/webhook'
import { namespace, startWebhookLab } from '../../product/webhook/webhook-lab.ts'
import { eventually } from '../../support/eventually.ts'

const labels = { 'azure.workload.identity/use': 'true' }
const spec = { containers: [{ name: 'main', image: 'busybox', command: ['sleep', '60'] }] }
const pod = (name: string, podLabels: Record<string, string> = labels): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: podLabels },
  spec,
})

/** The real webhook in front of a local cluster, behind a Service. `up` marks the Service's only pod as ready at its port. */
async function withWebhook(t: TestContext): Promise<{ kube: KubeClient; up(): Promise<void> }> {
  const lab = await startWebhookLab(t)
  const { kube } = lab
  // The other entry leads nowhere.
  const entry = [{ op: 'remove', path: '/webhooks/0' }]
  await kube.patch(resources.mutatingWebhookConfigurations, { name: webhookNames.configuration }, entry, {
    type: 'json',
  })
  await kube.create(resources.services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: webhookNames.service, namespace },
    spec: { selector: { app: 'webhook' }, ports: [{ port: 443, targetPort: 'webhook-server' }] },
  })
  return {
    kube,
    async up() {
      const webhook = await lab.start()
      await lab.ready(webhook)
      const name = 'webhook'
      await kube.create(resources.pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace, labels: { app: 'webhook' } },
        spec: {
          // It stands for the process of this test, so no node may run it.
          nodeSelector: { nowhere: 'true' },
          containers: [{ name, image: 'busybox', ports: [{ name: 'webhook-server', containerPort: webhook.port }] }],
        },
      })
      const status = { conditions: [{ type: 'Ready', status: 'True' }] }
      await kube.patch(resources.pods, { name, namespace }, { status }, { type: 'merge', subresource: 'status' })
    },
  }
}

const injected = ({ spec: { containers } }: Pod) => containers[0]?.env?.map(({ name }) => name) ?? []
const variables = ['AZURE_TENANT_ID', 'AZURE_FEDERATED_TOKEN_FILE', 'AZURE_AUTHORITY_HOST']

test('a labelled pod is created as the webhook wants it, whether by a user or a controller; others do not depend on it', async (t) => {
  const { kube, up } = await withWebhook(t)
  await up()
  assert.deepEqual(injected(await kube.create(resources.pods, pod('by-hand'))), variables)
  assert.deepEqual(injected(await kube.create(resources.pods, pod('without-label', {}))), [])
  const applied = await kube.apply(resources.pods, pod('applied'), { fieldManager: 'test' })
  assert.deepEqual(injected(applied), variables)

  const selected = { ...labels, app: 'orders' }
  await kube.create(resources.deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'orders', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'orders' } },
      template: { metadata: { labels: selected }, spec },
    },
  })
  await eventually(async () => {
    const { items } = await kube.list(resources.pods, { namespace: 'default', labelSelector: 'app=orders' })
    assert.deepEqual(items.map(injected), [variables, variables])
  })
})

test('until the webhook has been ready once, its pods start without it, and from then on with it', async (t) => {
  const { kube, up } = await withWebhook(t)
  assert.deepEqual(injected(await kube.create(resources.pods, pod('early'))), [])
  await up()
  assert.deepEqual(injected(await kube.create(resources.pods, pod('later'))), variables)
})

test('while a registered webhook cannot be asked, its pods are refused with the reason, and those of a Deployment come when it can', async (t) => {
  const { kube, up } = await withWebhook(t)
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }]
  const registration = [{ op: 'add', path: '/webhooks/0/rules', value: rules }]
  await kube.patch(resources.mutatingWebhookConfigurations, { name: webhookNames.configuration }, registration, {
    type: 'json',
  })
  const refusal = /failed calling webhook "mutation.azure-workload-identity.io".*no endpoints available for service/
  await assert.rejects(kube.create(resources.pods, pod('too-early')), (error) => {
    assert.ok(error instanceof KubeError)
    assert.match(error.message, refusal)
    return error.status === 500
  })
  await kube.create(resources.deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'patient', namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: 'patient' } },
      template: { metadata: { labels: { ...labels, app: 'patient' } }, spec },
    },
  })
  await eventually(async () => {
    const { items } = await kube.list(resources.events, { namespace: 'default' })
    const event = items.find(({ reason }) => reason === 'FailedCreate')
    assert.match(event?.message ?? '', refusal)
  })
  await up()
  await eventually(async () => {
    const { items } = await kube.list(resources.pods, { namespace: 'default', labelSelector: 'app=patient' })
    assert.deepEqual(items.map(injected), [variables])
  })
})

test('a configuration that asks for more than is done is refused', async (t) => {
  const { kube } = await withWebhook(t)
  const create = (webhook: object) =>
    kube.create(resources.mutatingWebhookConfigurations, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'more' },
      webhooks: [
        {
          name: 'more.example.com',
          admissionReviewVersions: ['v1'],
          clientConfig: { url: 'https://127.0.0.1:1' },
          ...webhook,
        },
      ],
    })
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['pods'] }]
  await assert.rejects(create({ rules }), /rules\.operations: Unsupported value: "UPDATE"/)
  const matchConditions = [{ name: 'a', expression: 'true' }]
  await assert.rejects(create({ matchConditions }), /matchConditions: Forbidden: not supported by the local cluster/)
})
