import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DaemonSet, type KubeClient, resources, wasFound } from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import { createHelmRelease } from '../support/helm-release.ts'
import { noHelm, noNodeHost, realClusterOnly } from './real-cluster-only.ts'

/** The chart's life on a real cluster, as a release of its own beside whatever is installed there. */
const options = realClusterOnly('helm needs a real cluster', noHelm, noNodeHost)
const quickly = { rotationPollInterval: '5s' }

test(
  'helm installs, upgrades, rolls back, uninstalls and installs again, and a running pod keeps its files',
  options,
  async (t) => {
    const release = await createHelmRelease(t, { values: quickly })
    const { kube, namespace } = release

    await release.install()
    await release.setSecret('first')
    await release.createPod('app')
    await release.podReady('app')
    assert.equal(await release.read('app'), 'first')

    await release.upgrade('--set', 'logVerbosity=4')
    assert.ok((await driverArguments(kube, namespace)).includes('-v=4'))
    assert.equal(await release.read('app'), 'first')
    await release.setSecret('second')
    await until(
      'the file to follow with the driver that was upgraded',
      async () => (await release.read('app')) === 'second' || undefined,
    )

    await release.rollBack()
    assert.ok((await driverArguments(kube, namespace)).includes('-v=0'))
    assert.equal(await release.read('app'), 'second')

    await release.uninstall()
    assert.deepEqual((await kube.list(resources.daemonSets, { namespace })).items, [])
    assert.equal(await wasFound(kube.get(resources.csiDrivers, { name: release.driver })), false)
    await kube.get(resources.secretProviderClasses, { namespace, name: 'app' })
    assert.equal(await release.read('app'), 'second')

    await release.install()
    await release.setSecret('third')
    await until(
      'the file to follow with the driver that was installed again',
      async () => (await release.read('app')) === 'third' || undefined,
    )
    await release.deletePod('app')
  },
)

test(
  'helm installs one process per node that mounts and rotates; two take its place, and a running pod keeps its files',
  options,
  async (t) => {
    const release = await createHelmRelease(t, { values: { ...quickly, combined: true } })
    const { kube, namespace } = release

    await release.install()
    const { items } = await kube.list(resources.daemonSets, { namespace })
    assert.equal(items.length, 1)
    await release.setSecret('first')
    await release.createPod('app')
    await release.podReady('app')
    assert.equal(await release.read('app'), 'first')
    await release.setSecret('second')
    await until('the file to follow', async () => (await release.read('app')) === 'second' || undefined)

    await release.upgrade('--set', 'combined=false')
    assert.equal((await kube.list(resources.daemonSets, { namespace })).items.length, 2)
    assert.equal(await release.read('app'), 'second')
    await release.setSecret('third')
    await until('the file to follow the two', async () => (await release.read('app')) === 'third' || undefined)
    await release.deletePod('app')
  },
)

test(
  'helm uninstall stops with the names of pods that have volumes, and continues without its hooks or without the pods',
  options,
  async (t) => {
    const release = await createHelmRelease(t, { values: { uninstallCheck: { enabled: true } } })
    await release.install()
    await release.setSecret('first')
    await release.createPod('app')
    await release.podReady('app')
    await assert.rejects(release.uninstall(), /1 pod has volumes.*\/app\b.*--no-hooks/s)
    assert.equal(await release.read('app'), 'first')
    await release.deletePod('app')
    await release.uninstall()
    assert.deepEqual((await release.kube.list(resources.daemonSets, { namespace: release.namespace })).items, [])

    await release.install()
    await release.createPod('app')
    await release.podReady('app')
    await release.uninstall('--no-hooks')
    await release.install()
    await release.deletePod('app')
  },
)

async function driverArguments(kube: KubeClient, namespace: string): Promise<readonly string[]> {
  const { items } = await kube.list<DaemonSet>(resources.daemonSets, { namespace })
  const driver = items.find(({ metadata }) => metadata.labels?.app === 'secrets-store-csi-driver')
  return driver?.spec.template.spec.containers[0]?.args ?? []
}
