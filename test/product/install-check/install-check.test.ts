import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { runCli } from '../../support/run-cli.ts'

const namespace = 'kube-system'
const labels = { 'app.kubernetes.io/instance': 'shop' }
const driver = 'secrets-store.csi.k8s.io'

test('install-check names what does not work, and succeeds when everything does', async (t) => {
  const cluster = await startLocalCluster(t, { node: false })
  const kube = kubeClientOf(t, cluster.kubeconfig)
  const check = (...flags: string[]) =>
    runCli([
      'install-check',
      `--kubeconfig=${cluster.kubeconfig}`,
      '--selector=app.kubernetes.io/instance=shop',
      '--wait=0s',
      ...flags,
    ])
  const [empty] = [await check()]
  assert.deepEqual([empty.code, empty.stderr], [1, ''])
  assert.match(
    empty.stdout,
    /^FAILED no DaemonSet or Deployment in kube-system has the labels .*=shop\nKeymount does not work: 1 of 1 checks failed\.\n$/,
  )

  const container = { name: 'main', image: 'none' }
  const selector = { matchLabels: { app: 'driver' } }
  const template = { metadata: { labels: { app: 'driver', ...labels } }, spec: { containers: [container] } }
  await kube.create(resources.daemonSets, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { namespace, name: 'driver', labels },
    spec: { selector, template },
  })
  await kube.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: 'driver-1', labels: { ...labels, 'app.kubernetes.io/component': 'driver' } },
    spec: { nodeName: 'node-1', containers: [container] },
  })
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const webhook = { name: 'pods.example.com', admissionReviewVersions: ['v1'], sideEffects: 'None' }
  await kube.create(resources.mutatingWebhookConfigurations, {
    apiVersion,
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'webhook' },
    webhooks: [{ ...webhook, clientConfig: { service: { name: 'webhook', namespace } } }],
  })
  const waiting = { reason: 'CrashLoopBackOff', message: 'back-off 10s' }
  const status = { name: 'main', ready: false, restartCount: 3, image: 'none', imageID: '', state: { waiting } }
  const path = { namespace, name: 'driver-1' }
  await kube.patch(
    resources.pods,
    path,
    { status: { phase: 'Running', containerStatuses: [status] } },
    { subresource: 'status' },
  )
  const all = [`--drivername=${driver}`, '--webhook-configuration=webhook']
  const broken = await check(...all)
  assert.equal(broken.code, 1)
  assert.match(
    broken.stdout,
    /^FAILED CSI driver secrets-store\.csi\.k8s\.io: registered on 0 of 1 nodes; not on node-1$/m,
  )
  assert.match(broken.stdout, /^FAILED webhook webhook: the API server does not call it, because it has no rules/m)
  assert.match(
    broken.stdout,
    /^ {7}pod driver-1 is not ready: CrashLoopBackOff: back-off 10s\nKeymount does not work: 2 of 3 checks failed\.$/m,
  )
  assert.match((await check('--webhook-configuration=other')).stdout, /^FAILED webhook other: /m)

  await kube.create(resources.csiNodes, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSINode',
    metadata: { name: 'node-1' },
    spec: { drivers: [{ name: driver, nodeID: 'node-1' }] },
  })
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }]
  const caBundle = Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64')
  const change = [
    { op: 'add', path: '/webhooks/0/rules', value: rules },
    { op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: caBundle },
  ]
  await kube.patch(resources.mutatingWebhookConfigurations, { name: 'webhook' }, change, { type: 'json' })
  const works = await check(...all, '--wait=20s')
  assert.deepEqual(works, {
    code: 0,
    stdout: [
      'ok     DaemonSet driver: 0 of 0 pods are ready',
      `ok     CSI driver ${driver}: registered on 1 of 1 nodes`,
      'ok     webhook webhook: the API server calls it',
      'Keymount works.',
      '',
    ].join('\n'),
    stderr: '',
  })
})

test('install-check waits for what does not work yet, and fails when the time is over', async (t) => {
  const cluster = await startLocalCluster(t, { node: false })
  const flags = [`--kubeconfig=${cluster.kubeconfig}`, '--selector=app.kubernetes.io/instance=shop', '--wait=3s']
  const { code, stdout } = await runCli(['install-check', ...flags])
  assert.match(
    stdout,
    /^FAILED no DaemonSet or Deployment in kube-system has the labels .*=shop\nKeymount does not work: 1 of 1 checks failed\.\n$/,
  )
  assert.equal(code, 1)
})
