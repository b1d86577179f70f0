import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { type KubeClient, type Pod, resources } from '#kubernetes/client'
import { webhookNames } from '#product/webhook'
import { chartDirectory } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { findClusterProcesses } from './cluster-processes.ts'
import { streamOfPods } from './webhook-stream.ts'
import { createWebhookWorld, label, needsRealCluster, podOf, replicas, twoReady } from './webhook-world.ts'

const processes = findClusterProcesses(process.env.KUBECONFIG ?? '')
const needsProcesses =
  processes === undefined ? { skip: 'the programs of this cluster do not run on this machine' } : {}

/** With `failurePolicy: Fail`, a pod is refused when the API server reaches no webhook: that must not happen. */
test(
  'no pod is refused for a fault of the webhook, and none comes through without its token',
  needsRealCluster,
  async (t) => {
    const { kube, namespace, run } = await createWebhookWorld(t)
    const stream = streamOfPods(kube, [podOf(namespace, 'streamed', label), ...unannotated(namespace)])
    const passes = async (what: string, change: () => Promise<void>) => {
      stream.phase()
      await change()
      const { admitted, refused, unanswered, unreached } = stream.phase()
      t.diagnostic(`${what}: ${admitted} pods admitted, ${unreached} attempts found no API server`)
      assert.deepEqual({ refused, unanswered }, { refused: [], unanswered: [] })
      assert.ok(admitted > 0)
    }
    t.after(() => stream.stop())

    await t.test('a stream of pods passes while the certificate is renewed', async () => {
      await passes('certificate', async () => {
        const before = await certificate(kube, namespace)
        await kube.patch(resources.secrets, { name: webhookNames.secret, namespace }, { data: null })
        const after = await until('a new certificate', async () => {
          const found = await certificate(kube, namespace)
          return found !== undefined && found !== before ? found : undefined
        })
        const { serialNumber } = new X509Certificate(after)
        await until('every replica to serve it', async () => {
          const logs = await logsOf(kube, namespace)
          const serves = (log: string) =>
            log.split('\n').some((line) => line.includes('serving') && line.includes(serialNumber))
          return logs.every(serves) || undefined
        })
      })
    })

    await t.test('a stream of pods passes while replicas go', async () => {
      await passes('replicas', async () => {
        for (const { metadata } of await replicas(kube, namespace)) {
          await kube.delete(resources.pods, { namespace, name: metadata.name ?? '' })
          await twoReady(kube, namespace)
        }
      })
    })

    await t.test('a stream of pods passes when the API server is restarted', needsProcesses, async () => {
      await passes('API server', async () => {
        await processes?.restartApiServer(3000)
        await until('the API server', () => kube.raw({ method: 'GET', path: '/readyz' }))
        await stream.untilAdmitted(100)
        await twoReady(kube, namespace)
      })
    })

    await t.test('a stream of pods passes while the release is upgraded', async () => {
      await passes('upgrade', async () => {
        await run('upgrade', namespace, chartDirectory, '--reuse-values', '--set', 'webhook.logLevel=debug')
        await until('the old replicas gone', async () => (await replicas(kube, namespace)).length === 2 || undefined)
      })
    })

    await t.test(
      'a replica that is killed takes no more with it than what is on its way to it',
      needsProcesses,
      async () => {
        stream.phase()
        const [victim] = await replicas(kube, namespace)
        assert.ok(victim !== undefined && processes !== undefined)
        await processes.kill(victim)
        await until('its container to start again', async () => {
          const { status } = await kube.get(resources.pods, { namespace, name: victim.metadata.name ?? '' })
          return (status?.containerStatuses?.[0]?.restartCount ?? 0) > 0 || undefined
        })
        await twoReady(kube, namespace)
        const { refused, unanswered, admitted } = stream.phase()
        t.diagnostic(`kill: ${admitted} pods admitted, ${unanswered.length} attempts on their way to the dead replica`)
        assert.deepEqual(refused, [])
        // Until the Service has forgotten the replica, the API server may still call it; controllers try again.
        assert.deepEqual(
          unanswered.filter((text) => !/connection refused|connection reset|EOF|no route to host/.test(text)),
          [],
        )
        await passes('after the kill', () => stream.untilAdmitted(100))
      },
    )
  },
)

async function certificate(kube: KubeClient, namespace: string): Promise<string | undefined> {
  const { data } = await kube.get(resources.secrets, { name: webhookNames.secret, namespace })
  const text = data?.['tls.crt']
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8')
}

async function logsOf(kube: KubeClient, namespace: string): Promise<string[]> {
  const path = (name: string) => `/api/v1/namespaces/${namespace}/pods/${name}/log`
  const headers = { accept: '*/*' }
  const pods = await replicas(kube, namespace)
  return Promise.all(pods.map(({ metadata }) => kube.raw({ method: 'GET', path: path(metadata.name ?? ''), headers })))
}

/** Of service accounts that the webhook does not follow: it reads them for each pod. */
function unannotated(namespace: string): Pod[] {
  return ['one', 'two'].map((name) => {
    const pod = podOf(namespace, `streamed-${name}`, label)
    return { ...pod, spec: { ...pod.spec, serviceAccountName: 'default' } }
  })
}
