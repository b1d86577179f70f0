import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { type Pod, resources } from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import { findKubectl } from '../support/kubectl.ts'
import { runCli } from '../support/run-cli.ts'
import { createWebhookWorld, isReady, needsRealCluster, podOf } from './webhook-world.ts'

const clientId = '99999999-8888-7777-6666-555555555555'
const anotherClientId = '44444444-8888-7777-6666-555555555555'

interface Row {
  check: string
  status: string
  text: string
  fix?: string[]
}

/** The findings of `keymount identity doctor` for pods of a real API server and a real webhook, and that its kubectl commands fix them. */
test('the doctor sees what the webhook did, and its commands fix what it did not', needsRealCluster, async (t) => {
  const { kube, namespace } = await createWebhookWorld(t)
  const kubeconfig = process.env.KUBECONFIG ?? ''
  await kube.create(resources.serviceAccounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace, name: 'orders', annotations: { 'azure.workload.identity/client-id': clientId } },
  })
  const { spec } = podOf(namespace, 'orders', {})
  await kube.create(resources.deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace, name: 'orders' },
    spec: {
      selector: { matchLabels: { app: 'orders' } },
      template: { metadata: { labels: { app: 'orders' } }, spec: { ...spec, serviceAccountName: 'orders' } },
    },
  })

  /** The only pod of the Deployment, and the doctor's findings for it. */
  const examine = async (without?: string) => {
    const pod = await until('the pod of the Deployment', () => onlyPod(without))
    const name = pod.metadata.name ?? ''
    const words = ['identity', 'doctor', name, '-n', namespace, '-o', 'json', '--no-sign-in']
    const { stdout, stderr } = await runCli(words, { KUBECONFIG: kubeconfig })
    assert.equal(stderr, '')
    const { sections } = JSON.parse(stdout) as { sections: { title: string; findings: Row[] }[] }
    const inCluster = sections.filter(({ title }) => title === 'Pod' || title.startsWith('Service account '))
    return { name, rows: inCluster.flatMap(({ findings }) => findings) }
  }
  const onlyPod = async (without: string | undefined): Promise<Pod | undefined> => {
    const { items } = await kube.list(resources.pods, { namespace, labelSelector: 'app=orders' })
    const [pod] = items
    return items.length === 1 && pod !== undefined && isReady(pod) && pod.metadata.name !== without ? pod : undefined
  }
  const fix = async (rows: readonly Row[]) => {
    const [command] = rows.flatMap(({ fix = [] }) => fix)
    assert.match(command ?? '', /^kubectl /)
    await shell((command ?? '').replace(/^kubectl/, findKubectl() ?? 'kubectl'), kubeconfig)
  }
  const wrong = (rows: readonly Row[]) => rows.filter(({ status }) => status === 'problem')

  const unlabelled = await examine()
  assert.deepEqual(
    wrong(unlabelled.rows).map(({ check }) => check),
    ['label'],
  )
  await fix(wrong(unlabelled.rows))

  const labelled = await examine(unlabelled.name)
  assert.deepEqual(wrong(labelled.rows), [])
  const right = labelled.rows.filter(({ status }) => status === 'ok').map(({ check }) => check)
  assert.deepEqual(right.toSorted(), ['audience', 'client id', 'label', 'token', 'webhook'])

  const metadata = { annotations: { 'azure.workload.identity/client-id': anotherClientId } }
  await kube.patch(resources.serviceAccounts, { namespace, name: 'orders' }, { metadata })
  const stale = await examine()
  assert.deepEqual(
    wrong(stale.rows).map(({ check }) => check),
    ['client'],
  )
  await fix(wrong(stale.rows))
  assert.deepEqual(wrong((await examine(stale.name)).rows), [])
})

function shell(command: string, kubeconfig: string): Promise<void> {
  return new Promise((done, failed) => {
    execFile('/bin/sh', ['-c', command], { env: { ...process.env, KUBECONFIG: kubeconfig } }, (error) =>
      error === null ? done() : failed(error),
    )
  })
}
