import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { resources, type SecretProviderClassPodStatus, wasFound } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { csiMountLines, csiMounts, onNode, productPod } from '../node.ts'
import { type DriverChange, driverChange } from '../upstream-driver/driver-change.ts'
import { deletePod, podReady } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

const file = '/mnt/secrets-store/ExampleSecret'

/** Reads the file in a loop; prints when it cannot, and that the value has changed, but never the value. */
const watcher = `seen=
while true; do
  value=$(cat ${file} 2>/dev/null) || echo LOST
  [ -n "$value" ] || echo EMPTY
  if [ "$value" != "$seen" ]; then echo changed; fi
  seen=$value
  usleep 20000
done`

/**
 * Moving a cluster from the upstream driver to the product and back, as docs/migrate.md has it, under running pods. Each pod
 * reads its file all the while.
 */
export function upstreamTakeoverCases(lab: () => Lab): void {
  describe('the driver of a cluster is changed for the upstream one, and back', () => {
    let workload: Workload
    let drivers: DriverChange
    /** Status objects as they were before the last change. */
    const statuses = new Map<string, SecretProviderClassPodStatus>()

    before(async () => {
      workload = await createWorkload(lab(), 'takeover')
      await workload.setSecret('ExampleSecret', 'before any change')
      drivers = await driverChange(lab(), { rotationSeconds: 5 })
    })
    after(() => drivers.restore())

    it('a pod of the product keeps its files while the upstream driver takes its place, and follows the vault with it', async () => {
      await startReader('ours')
      await drivers.remove()
      assert.equal(await workload.read('ours', 'ExampleSecret'), 'before any change')
      await drivers.installUpstream()
      await workload.setSecret('ExampleSecret', 'set under upstream')
      await follows('ours', 'set under upstream')
    })

    it('the upstream driver leaves a tmpfs without bounds, the same links, and a status object without times', async () => {
      await startReader('theirs')
      assert.equal(await workload.read('theirs', 'ExampleSecret'), 'set under upstream')
      const { path, uid } = await volumeOf('theirs')
      const [table] = await csiMountLines(lab(), uid)
      assert.match(table ?? '', / rw,relatime .*- tmpfs tmpfs /)
      assert.match(await onNode(lab(), 'fs.statSync(path).mode.toString(8)', path), /1777$/)
      assert.match(await onNode(lab(), 'fs.readlinkSync(path + "/..data")', path), /^\.\.\d{4}(_\d\d){5}\./)
      const status = await statusOf('theirs')
      assert.equal(status.metadata.annotations, undefined)
      statuses.set('theirs', status)
      statuses.set('ours', await statusOf('ours'))
    })

    it('without any driver the files stay; a deleted pod and a new one wait for the next, and go on by themselves', async () => {
      await startReader('leaving')
      await drivers.remove()
      for (const pod of ['ours', 'theirs'])
        assert.equal(await workload.read(pod, 'ExampleSecret'), 'set under upstream')
      const { namespace } = workload
      await lab().kube.delete(resources.pods, { namespace, name: 'leaving' }, { gracePeriodSeconds: 1 })
      await workload.startPod('arriving')
      await drivers.installProduct()
      await podReady(lab(), namespace, 'arriving')
      await until('the deleted pod to be gone', async () => (await exists('leaving')) === false || undefined)
    })

    it('kubelet has written beside each volume whose it is, and the product finds the volumes by that', async () => {
      for (const pod of ['ours', 'theirs', 'arriving']) {
        const { path, uid } = await volumeOf(pod)
        const data = JSON.parse(
          await onNode(lab(), 'fs.readFileSync(path, "utf8")', path.replace(/mount$/, 'vol_data.json')),
        )
        assert.equal(data.driverName, 'secrets-store.csi.k8s.io')
        assert.equal(data.volumeLifecycleMode, 'Ephemeral')
        assert.match(path, new RegExp(`/pods/${uid}/volumes/kubernetes.io~csi/[^/]+/mount$`))
      }
      const found = /"volumes":(\d+),"msg":"found the volumes [^"]*"/.exec(await driverLog())
      assert.ok(Number(found?.[1]) >= 2, `volumes found: ${found?.[1]}`)
    })

    it('rotation goes on with the product, in the same mounts and the same status objects', async () => {
      await workload.setSecret('ExampleSecret', 'set under the product')
      for (const pod of ['ours', 'theirs', 'arriving']) await follows(pod, 'set under the product')
      for (const [pod, before] of statuses) {
        const status = await until(`the status object of ${pod} to follow`, async () => {
          const now = await statusOf(pod)
          return now.status?.objects?.[0]?.version === before.status?.objects?.[0]?.version ? undefined : now
        })
        assert.equal(status.metadata.uid, before.metadata.uid)
        assert.deepEqual(status.metadata.ownerReferences, before.metadata.ownerReferences)
        assert.equal(status.status?.targetPath, before.status?.targetPath)
        assert.ok(status.metadata.annotations?.['keymount.dev/last-check'])
        assert.equal(
          (await csiMounts(lab(), (await volumeOf(pod)).uid)).length,
          1,
          'nothing was mounted over the volume',
        )
      }
    })

    it('no reader has missed its file for a moment', async () => {
      const values = { ours: 3, theirs: 2 }
      for (const [pod, count] of Object.entries(values)) {
        const log = await podLog(workload.namespace, pod)
        assert.equal(
          log,
          'changed\n'.repeat(count),
          `${pod} has read something else than one whole value after the other`,
        )
      }
    })

    it('volumes of both drivers are unmounted with their pods, and nothing of them is left', async () => {
      for (const pod of ['ours', 'theirs', 'arriving']) {
        const { uid } = await volumeOf(pod)
        await deletePod(lab(), workload.namespace, pod)
        await until('the mount to go', async () => (await csiMounts(lab(), uid)).length === 0 || undefined)
      }
      await until('the status objects to go', async () => {
        const { namespace } = workload
        const { items } = await lab().kube.list(resources.secretProviderClassPodStatuses, { namespace })
        return items.length === 0 || undefined
      })
      assert.doesNotMatch(await driverLog(), /failed to clean and unmount target path/)
    })

    async function startReader(name: string): Promise<void> {
      await workload.startPod(name, {
        containers: [
          {
            name: 'reader',
            image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4',
            command: ['/bin/sh', '-c', watcher],
            volumeMounts: [{ name: 'secrets-store01-inline', mountPath: '/mnt/secrets-store', readOnly: true }],
          },
        ],
      })
      await podReady(lab(), workload.namespace, name)
    }

    async function follows(pod: string, value: string): Promise<void> {
      const has = async () => (await workload.read(pod, 'ExampleSecret')) === value || undefined
      await until(`${pod} to follow`, has)
    }

    async function statusOf(pod: string): Promise<SecretProviderClassPodStatus> {
      const { namespace, className } = workload
      return lab().kube.get(resources.secretProviderClassPodStatuses, {
        namespace,
        name: `${pod}-${namespace}-${className}`,
      })
    }

    async function volumeOf(pod: string): Promise<{ path: string; uid: string }> {
      const { status, metadata } = await statusOf(pod)
      return { path: status?.targetPath ?? '', uid: metadata.ownerReferences?.[0]?.uid ?? '' }
    }

    function exists(pod: string): Promise<boolean> {
      return wasFound(lab().kube.get(resources.pods, { namespace: workload.namespace, name: pod }))
    }

    async function podLog(namespace: string, pod: string): Promise<string> {
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}/log`
      return lab().kube.raw({ method: 'GET', path, headers: { accept: '*/*' } })
    }

    async function driverLog(): Promise<string> {
      return podLog('kube-system', (await productPod(lab(), 'secrets-store-csi-driver')).metadata.name ?? '')
    }
  })
}
