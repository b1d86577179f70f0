import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { type KubeClient, type Pod, type Resource, resources, type UntypedObject } from '#kubernetes/client'
import { webhookNames } from '#product/webhook'
import { chartDirectory } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { findClusterProcesses } from './cluster-processes.ts'
import { streamOfPods, type Unanswered } from './webhook-stream.ts'
import { createWebhookWorld, isReady, label, needsRealCluster, podOf, replicas, twoReady } from './webhook-world.ts'

const processes = findClusterProcesses(process.env.KUBECONFIG ?? '')
const needsProcesses =
  processes === undefined ? { skip: 'the programs of this cluster do not run on this machine' } : {}

/** On a connection that was open when the process at its other end was killed, whichever side notices first. */
const wasCut = /EOF|connection reset by peer|broken pipe/
/** Nothing listens at the address: for a new connection, until the Service has forgotten the replica. */
const notListening = /connection refused|no route to host/

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
      assert.deepEqual({ refused, unanswered: textsOf(unanswered) }, { refused: [], unanswered: [] })
      assert.ok(admitted > 0)
    }
    t.after(() => stream.stop())

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
        const [victim] = await replicas(kube, namespace)
        assert.ok(victim !== undefined && processes !== undefined)
        stream.phase()
        await processes.kill(victim)
        await until('the Service to forget it', () => isForgotten(kube, victim), { everyMs: 50 })
        const forgotten = performance.now()
        await until(
          'its container to start again',
          async () => restarts(await kube.get(resources.pods, { namespace, name: victim.metadata.name ?? '' })) > 0,
        )
        await twoReady(kube, namespace)
        const { refused, unanswered, admitted } = stream.phase()
        t.diagnostic(`kill: ${admitted} pods admitted, ${unanswered.length} attempts on their way to the dead replica`)
        assert.deepEqual(refused, [])
        const cut = unanswered.filter(({ text }) => wasCut.test(text))
        assert.ok(cut.length <= stream.workers, `no more than were on their way: ${textsOf(cut)}`)
        const others = unanswered.filter((one) => !cut.includes(one))
        assert.deepEqual(textsOf(others.filter(({ text }) => !notListening.test(text))), [])
        // The proxies of the nodes follow the Service.
        assert.deepEqual(textsOf(others.filter(({ began }) => began > forgotten + 10_000)), [])
        await passes('after the kill', () => stream.untilAdmitted(100))
      },
    )

    // Last: a replica that starts within 15 minutes after a renewal waits half a minute until every API server trusts it.
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

    await t.test('a stream of pods passes while a replica starts with the new certificate', async () => {
      await passes('replica with the new certificate', async () => {
        const [first] = await replicas(kube, namespace)
        await kube.delete(resources.pods, { namespace, name: first?.metadata.name ?? '' })
        await twoReady(kube, namespace)
      })
    })
  },
)

function textsOf(attempts: readonly Unanswered[]): string[] {
  return attempts.map(({ text }) => text)
}

/** Whether the Service sends no new connection to the replica; or did so and it is back already. */
async function isForgotten(kube: KubeClient, { metadata }: Pod): Promise<boolean> {
  const { namespace = '', name = '' } = metadata
  const { items } = await kube.list(endpointSlices, { namespace })
  const endpoints = items.flatMap(({ endpoints }) => (endpoints ?? []) as readonly Endpoint[])
  if (!endpoints.some(({ targetRef, conditions }) => targetRef?.name === name && conditions?.ready === true))
    return true
  const pod = await kube.get(resources.pods, { namespace, name })
  return restarts(pod) > 0 && isReady(pod)
}

function restarts({ status }: Pod): number {
  return status?.containerStatuses?.[0]?.restartCount ?? 0
}

const endpointSlices: Resource<UntypedObject> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  kind: 'EndpointSlice',
  namespaced: true,
}

interface Endpoint {
  targetRef?: { name?: string }
  conditions?: { ready?: boolean }
}

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
