import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import {
  createKubeClient,
  execInPod,
  isNotFound,
  type KubeClient,
  type KubeConfig,
  loadKubeconfig,
  type Pod,
  resources,
} from '../../src/kube/index.ts'
import { webhookNames } from '../../src/webhook/index.ts'
import { chartDirectory, helm } from '../chart/helm.ts'
import { eventually } from './wait.ts'

/**
 * The workload identity webhook on a real cluster, installed by the chart and called by a real API server: what a labelled
 * pod gets, and that no pod is refused while certificates, replicas and the release change.
 */
const { KEYMOUNT_E2E, KUBECONFIG, KEYMOUNT_IMAGE } = process.env

function reasonToSkip(): string | undefined {
  if (KEYMOUNT_E2E !== 'real') return 'admission needs a real cluster: npm run e2e'
  if (helm === undefined) return 'helm not found: put it on the PATH or name it in KEYMOUNT_HELM'
  return undefined
}

const skip = reasonToSkip()
const options = skip === undefined ? {} : { skip }
const tenant = '11111111-2222-3333-4444-555555555555'
const label = { 'azure.workload.identity/use': 'true' }
const webhookPods = 'app=workload-identity-webhook'

test(
  'a labelled pod gets its environment and its token, and no pod is refused whatever happens to the webhook',
  options,
  async (t) => {
    const { kube, kubeConfig, namespace, run } = await createWorld(t)

    await t.test('the pod has environment, volume and a token for the audience', async () => {
      await kube.create(resources.pods, podOf(namespace, 'labelled', label))
      const pod = await ready(kube, namespace, 'labelled')
      const [container] = pod.spec.containers
      assert.deepEqual(Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value])), {
        AZURE_CLIENT_ID: 'client-of-app',
        AZURE_TENANT_ID: tenant,
        AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/azure/wi/token/azure-identity-token',
        AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.com/',
      })
      const command = ['sh', '-c', 'cat "$AZURE_FEDERATED_TOKEN_FILE"']
      const { stdout } = await execInPod(kubeConfig, { namespace, pod: 'labelled', container: undefined, command })
      const claims = JSON.parse(Buffer.from(stdout.split('.')[1] ?? '', 'base64url').toString('utf8')) as object
      assert.partialDeepStrictEqual(claims, {
        aud: ['api://AzureADTokenExchange'],
        sub: `system:serviceaccount:${namespace}:app`,
      })
    })

    await t.test('a pod without the label is left alone', async () => {
      const pod = await kube.create(resources.pods, podOf(namespace, 'plain', {}), { dryRun: true })
      assert.equal(pod.spec.containers[0]?.env, undefined)
    })

    await t.test('a wrong annotation is refused with the reason', async () => {
      const pod = podOf(namespace, 'refused', label)
      pod.metadata.annotations = { 'azure.workload.identity/service-account-token-expiration': '100' }
      await assert.rejects(
        kube.create(resources.pods, pod, { dryRun: true }),
        /admission webhook "mutation.azure-workload-identity.io" denied the request: token expiration 100 not valid/,
      )
    })

    await t.test(
      'a stream of pods passes while the certificate is renewed, replicas go and the release is upgraded',
      async () => {
        const stream = streamOfPods(kube, namespace)
        try {
          const before = await certificate(kube, namespace)
          await kube.patch(resources.secrets, { name: webhookNames.secret, namespace }, { data: null })
          const after = await eventually('a new certificate', async () => {
            const found = await certificate(kube, namespace)
            return found !== undefined && found !== before ? found : undefined
          })
          await eventually('every replica to serve it', async () => {
            const logs = await logsOf(kube, namespace)
            const ends = new X509Certificate(after).validToDate.toISOString()
            return (
              logs.every((log) => log.split('\n').some((line) => line.includes('serving') && line.includes(ends))) ||
              undefined
            )
          })
          const { items } = await kube.list(resources.pods, { namespace, labelSelector: webhookPods })
          for (const { metadata } of items) {
            await kube.delete(resources.pods, { namespace, name: metadata.name ?? '' })
            await eventually('two replicas', async () =>
              (await readyReplicas(kube, namespace)) === 2 ? true : undefined,
            )
          }
          await run('upgrade', namespace, chartDirectory, '--reuse-values', '--set', 'webhook.logLevel=debug')
          await eventually('the old replicas gone', async () => {
            const { items: left } = await kube.list(resources.pods, { namespace, labelSelector: webhookPods })
            return left.length === 2 || undefined
          })
        } finally {
          await stream.stop()
        }
        t.diagnostic(`${stream.admitted()} pods were admitted`)
        assert.deepEqual(stream.refused(), [])
        assert.ok(stream.admitted() > 0)
      },
    )
  },
)

interface World {
  kube: KubeClient
  kubeConfig: KubeConfig
  namespace: string
  /** Helm in the namespace; waits until what it changed is ready. */
  run(...words: string[]): Promise<void>
}

async function createWorld(t: TestContext): Promise<World> {
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
    await eventually('the namespace gone', async () => {
      const gone = await kube.get(resources.namespaces, { name: namespace }).catch((error) => {
        if (isNotFound(error)) return undefined
        throw error
      })
      return gone === undefined || undefined
    })
  })
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
  // A Service learns of ready pods a moment after helm does.
  await eventually('the webhook to be reached', async () => {
    await kube.create(resources.pods, podOf(namespace, 'first', label), { dryRun: true })
    return true
  })
  return { kube, kubeConfig, namespace, run }
}

function podOf(namespace: string, name: string, labels: Record<string, string>): Pod {
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

async function ready(kube: KubeClient, namespace: string, name: string): Promise<Pod> {
  return eventually(`pod ${namespace}/${name} Ready`, async () => {
    const pod = await kube.get(resources.pods, { namespace, name })
    return isReady(pod) ? pod : undefined
  })
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
}

async function readyReplicas(kube: KubeClient, namespace: string): Promise<number> {
  const { items } = await kube.list(resources.pods, { namespace, labelSelector: webhookPods })
  return items.filter((pod) => isReady(pod) && pod.metadata.deletionTimestamp === undefined).length
}

async function certificate(kube: KubeClient, namespace: string): Promise<string | undefined> {
  const { data } = await kube.get(resources.secrets, { name: webhookNames.secret, namespace })
  const text = data?.['tls.crt']
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8')
}

async function logsOf(kube: KubeClient, namespace: string): Promise<string[]> {
  const { items } = await kube.list(resources.pods, { namespace, labelSelector: webhookPods })
  const path = (name: string) => `/api/v1/namespaces/${namespace}/pods/${name}/log`
  const headers = { accept: '*/*' }
  return Promise.all(items.map(({ metadata }) => kube.raw({ method: 'GET', path: path(metadata.name ?? ''), headers })))
}

/** Creates pods, four at a time, without end and without running them: a dry run goes through admission like any other. */
function streamOfPods(kube: KubeClient, namespace: string) {
  const refused: string[] = []
  let admitted = 0
  let stopped = false
  const workers = Array.from({ length: 4 }, async () => {
    while (!stopped) {
      try {
        const pod = await kube.create(resources.pods, podOf(namespace, 'streamed', label), { dryRun: true })
        if (pod.spec.volumes?.some(({ name }) => name.startsWith('azure-workload-identity-reserved-')) === true)
          admitted++
        else refused.push('a pod was created without its volume')
      } catch (error) {
        refused.push(String(error))
      }
    }
  })
  return {
    admitted: () => admitted,
    refused: () => refused.slice(0, 5),
    async stop() {
      stopped = true
      await Promise.all(workers)
    },
  }
}
