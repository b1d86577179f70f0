import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import {
  createKubeClient,
  type KubeClient,
  type KubeConfig,
  loadKubeconfig,
  type Pod,
  resources,
  wasFound,
} from '#kubernetes/client'
import { chartDirectory, helm } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { findKubectl, type Kubectl, kubectlFor, kubectlMissing } from '../support/kubectl.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { noHelm, realClusterOnly } from './real-cluster-only.ts'

const { KUBECONFIG, KEYMOUNT_IMAGE } = process.env

/** Of every test of the webhook on a real cluster. */
export const needsRealCluster = realClusterOnly(
  'admission needs a real cluster',
  noHelm,
  findKubectl() === undefined ? kubectlMissing : undefined,
)

export const tenant = '11111111-2222-3333-4444-555555555555'
/** What makes a pod one of the webhook's. */
export const label = { 'azure.workload.identity/use': 'true' }

/** A real cluster with the webhook, installed by the chart. */
export interface WebhookWorld {
  kube: KubeClient
  kubeConfig: KubeConfig
  kubectl: Kubectl
  namespace: string
  /** Helm in the namespace; waits until what it changed is ready. */
  run(...words: string[]): Promise<void>
}

/** All of it goes with the test. */
export async function createWebhookWorld(t: TestContext): Promise<WebhookWorld> {
  const namespace = `e2e-webhook-${randomBytes(3).toString('hex')}`
  const kubeConfig = loadKubeconfig(KUBECONFIG ?? '', { environment: process.env })
  const kube = createKubeClient(kubeConfig)
  t.after(() => kube.close())
  const run = async (...words: string[]) => {
    await promisify(execFile)(helm ?? 'helm', [...words, '-n', namespace, '--wait', '--timeout', '2m'])
  }
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  t.after(async () => {
    await run('uninstall', namespace, '--ignore-not-found')
    await kube.delete(resources.namespaces, { name: namespace })
    const gone = async () => !(await wasFound(kube.get(resources.namespaces, { name: namespace }))) || undefined
    await until('the namespace gone', gone)
  })
  const cacheDir = temporaryDirectory(t, 'keymount-kubectl-')
  const kubectl = kubectlFor(findKubectl() ?? 'kubectl', { kubeconfig: KUBECONFIG ?? '', cacheDir })
  await defineClasses(t, kubectl)
  const [repository, tag] = KEYMOUNT_IMAGE?.split(/:(?=[^/]*$)/) ?? []
  const values = {
    'driver.install': 'false',
    'provider.install': 'false',
    'webhook.enabled': 'true',
    'webhook.azureTenantID': tenant,
    ...(repository === undefined ? {} : { 'linux.image.repository': repository }),
    ...(tag === undefined ? {} : { 'linux.image.tag': tag }),
  }
  const set = Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  await run('install', namespace, chartDirectory, ...set)
  const annotations = { 'azure.workload.identity/client-id': 'client-of-app' }
  const metadata = { namespace, name: 'app', annotations }
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  // A Service gets ready pods a moment after helm sees them.
  await until('the webhook to be reached', async () => {
    await kube.create(resources.pods, podOf(namespace, 'first', label), { dryRun: true })
    return true
  })
  return { kube, kubeConfig, kubectl, namespace, run }
}

/** Sleeps, as the service account that has a client. */
export function podOf(namespace: string, name: string, labels: Record<string, string>): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels },
    spec: {
      serviceAccountName: 'app',
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'app', image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4', command: ['/bin/sleep', '10000'] },
      ],
    },
  }
}

export async function ready(kube: KubeClient, namespace: string, name: string): Promise<Pod> {
  return until(`pod ${namespace}/${name} Ready`, async () => {
    const pod = await kube.get(resources.pods, { namespace, name })
    return isReady(pod) ? pod : undefined
  })
}

export function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
}

/** The pods of the webhook. */
export async function replicas(kube: KubeClient, namespace: string): Promise<Pod[]> {
  return (await kube.list(resources.pods, { namespace, labelSelector: 'app=workload-identity-webhook' })).items
}

export async function twoReady(kube: KubeClient, namespace: string): Promise<void> {
  await until('two replicas', async () => {
    const ready = (await replicas(kube, namespace)).filter(
      (pod) => isReady(pod) && pod.metadata.deletionTimestamp === undefined,
    )
    return ready.length === 2 || undefined
  })
}

/** The definition of classes, where no release has brought it. */
async function defineClasses(t: TestContext, kubectl: Kubectl): Promise<void> {
  const file = join(chartDirectory, 'files/crds/secretproviderclasses.yaml')
  if ((await kubectl(['create', '-f', file])).status === 0) t.after(() => kubectl(['delete', '-f', file]))
}
