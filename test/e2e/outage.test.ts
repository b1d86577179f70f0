import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Pod, resources, statusAnnotations } from '#kubernetes/client'
import { sleep } from '#lib'
import { until } from '../support/eventually.ts'
import { createHelmRelease, type HelmRelease } from '../support/helm-release.ts'
import { noHelm, noNodeHost, realClusterOnly } from './real-cluster-only.ts'
import { restartedWorkload, runningPods } from './restarts.ts'

/**
 * The outage drill, on a real kubelet: vault, Entra and both are cut while a workload is scaled on a node that has read its secrets;
 * a refusal starts nothing; and a provider that has just started, as on a new node, has the Secret of the class alone.
 */
const options = realClusterOnly('an outage drill needs a real kubelet', noHelm, noNodeHost)
const entra = 'login.microsoftonline.com'
const few = 3
/** Longer than a provider shares what it has read. */
const sharedMs = 6000

test(
  'pods start while vault, Entra or both are away, on their node and from a Secret, and never after a refusal',
  options,
  async (t) => {
    const release = await createHelmRelease(t, {
      objects: ['db'],
      values: {
        rotationPollInterval: '1h',
        syncSecret: { enabled: true },
        // So that a sign-in is needed while Entra is away.
        linux: { provider: { extraArgs: ['--token-cache-ttl=1s'] } },
      },
    })
    const { azure, vault, kube, namespace } = release
    const vaultHost = `${vault.name}.vault.azure.net`
    const ref = { namespace, name: 'app' }
    await kube.patch(resources.secretProviderClasses, ref, { spec: { parameters: { serveStaleFor: '24h' } } })
    await release.setSecret('first value')
    await release.install()
    await createWeb(release)
    await scale(release, few)
    assert.deepEqual(await staleTimes(release), [])

    const cut = (...hosts: string[]) =>
      Promise.all(hosts.map((host) => azure.control('PUT', `/faults/${host}`, { kind: 'unreachable' })))
    const restore = (...hosts: string[]) => Promise.all(hosts.map((host) => azure.control('DELETE', `/faults/${host}`)))

    for (const { name, hosts, replicas } of [
      { name: 'the vault', hosts: [vaultHost], replicas: 30 },
      { name: 'Entra', hosts: [entra], replicas: 10 },
      { name: 'both', hosts: [vaultHost, entra], replicas: 10 },
    ])
      await t.test(`${name} cut: ${few} → ${replicas} pods`, async (step) => {
        await scale(release, few)
        await sleep(sharedMs)
        await cut(...hosts)
        await scale(release, replicas)
        const pods = await runningPods(release, 'web')
        const contents = await Promise.all(pods.slice(0, 10).map(({ metadata }) => release.read(metadata.name ?? '')))
        assert.deepEqual(new Set(contents), new Set(['first value']))
        const stale = await staleTimes(release)
        // A token that is still valid serves while Entra alone is away: nothing is stale then.
        assert.equal(stale.length, hosts.includes(vaultHost) ? replicas - few : 0)
        const events = await eventsOf(release, 'MountedStale')
        assert.ok(!hosts.includes(vaultHost) || events.length > 0)
        for (const { message = '' } of events)
          assert.match(message, /^the volume has values of \S+, because vault \S+ cannot answer \[(vault|entra)-/)
        await restore(...hosts)
        await cleared(release, step)
      })

    await t.test('a role that was removed starts no pod, whatever the node has in memory', async () => {
      await scale(release, few)
      const roles = await azure.arm.get(`${vault.id}/providers/Microsoft.Authorization/roleAssignments`)
      const ids = (roles.value as { id: string; properties: { scope: string; principalType?: string } }[])
        .filter(({ properties }) => properties.scope.toLowerCase() === vault.id.toLowerCase())
        .map(({ id }) => id)
      const assignments = await Promise.all(ids.map((id) => azure.arm.get(id)))
      for (const id of ids) await azure.arm.delete(id)
      await sleep(sharedMs)
      await release.createPod('refused')
      await mountFails(release, '[vault-forbidden]')
      await sleep(10_000)
      const pod = await kube.get(resources.pods, { namespace, name: 'refused' })
      assert.equal(pod.status?.phase, 'Pending')
      await release.deletePod('refused')
      for (const { id, properties } of assignments) await azure.arm.put(id, { properties })
    })

    await t.test(
      'a new node has the Secret of fallbackSecretName alone: without it the error names the parameter',
      async (step) => {
        const fallbackSecretName = 'app-fallback'
        await kube.patch(resources.secretProviderClasses, ref, { spec: { parameters: { fallbackSecretName } } })
        await cut(vaultHost, entra)
        await restartProvider(release)
        await release.createPod('early')
        await mountFails(release, '[fallback-secret-missing]', 'fallbackSecretName "app-fallback"')
        await kube.create(resources.secrets, {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { namespace, name: fallbackSecretName },
          stringData: { db: 'value of the Secret' },
        })
        await release.podReady('early')
        assert.equal(await release.read('early'), 'value of the Secret')
        assert.equal((await staleTimes(release)).length, 1)
        await restore(vaultHost, entra)
        await cleared(release, step)
        await until('the value of the vault', async () => (await release.read('early')) === 'first value' || undefined)
      },
    )
  },
)

async function createWeb(release: HelmRelease): Promise<void> {
  const place = { ...release, className: 'app', serviceAccount: 'app' }
  await release.kube.create(resources.deployments, restartedWorkload(place, 'Deployment', 'web', { replicas: few }))
}

async function scale(release: HelmRelease, replicas: number): Promise<void> {
  const { kube, namespace } = release
  await kube.patch(resources.deployments, { namespace, name: 'web' }, { spec: { replicas } })
  const count = async () => {
    const { items } = await kube.list(resources.pods, { namespace, labelSelector: 'app=web' })
    const running = items.filter(isReady)
    return (items.length === replicas && running.length === replicas) || undefined
  }
  await until(`${replicas} pods`, count)
}

function isReady({ metadata, status }: Pod): boolean {
  const ready = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  return metadata.deletionTimestamp === undefined && ready === true
}

/** Of the pods that are there. */
async function staleTimes({ kube, namespace }: HelmRelease): Promise<string[]> {
  const { items } = await kube.list(resources.secretProviderClassPodStatuses, { namespace })
  return items.flatMap(({ metadata }) => metadata.annotations?.[statusAnnotations.staleSince] ?? [])
}

async function eventsOf({ kube, namespace }: HelmRelease, reason: string) {
  const { items } = await kube.list(resources.events, { namespace })
  return items.filter((event) => event.reason === reason)
}

/** Waits for an event of a failed mount with all of these texts. */
async function mountFails(release: HelmRelease, ...texts: string[]): Promise<void> {
  const failed = async () => {
    const events = await eventsOf(release, 'FailedMount')
    return events.some(({ message = '' }) => texts.every((text) => message.includes(text))) || undefined
  }
  await until(`a failed mount with ${texts.join(' and ')}`, failed)
}

/** The aim is 20 s. */
async function cleared(release: HelmRelease, t: TestContext): Promise<void> {
  const restoredAt = performance.now()
  await until('every volume to be fresh', async () => (await staleTimes(release)).length === 0 || undefined)
  t.diagnostic(
    `every volume was fresh ${((performance.now() - restoredAt) / 1000).toFixed(1)} s after the end of the outage`,
  )
}

async function restartProvider({ kube, namespace }: HelmRelease): Promise<void> {
  const pods = async () => {
    const { items } = await kube.list(resources.pods, { namespace })
    return items.filter(({ metadata }) => metadata.name?.includes('provider-azure'))
  }
  const before = new Set((await pods()).map(({ metadata }) => metadata.uid))
  assert.ok(before.size > 0)
  for (const { metadata } of await pods()) await kube.delete(resources.pods, { namespace, name: metadata.name ?? '' })
  await until('another provider', async () => {
    const now = await pods()
    return (
      (now.length === before.size && now.every((pod) => !before.has(pod.metadata.uid) && isReady(pod))) || undefined
    )
  })
}
