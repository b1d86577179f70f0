import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { csiMounts } from '../node.ts'
import { deletePod, podEvent, podReady } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

/** The demo's steps, one by one, on one pod that lives through them. */
export function mainJobCases(lab: () => Lab): void {
  describe('a Key Vault secret reaches a pod by workload identity', () => {
    const pod = 'busybox-secrets-store-inline-wi'
    let workload: Workload
    let uid: string

    before(async () => {
      workload = await createWorkload(lab(), 'main')
      await workload.setSecret('ExampleSecret', 'MyAKSExampleSecret')
    })

    it('mounts the class of the example and the pod becomes Ready', async () => {
      await workload.startPod(pod)
      await podReady(lab(), workload.namespace, pod)
      const object = await lab().kube.get(resources.pods, { namespace: workload.namespace, name: pod })
      uid = object.metadata.uid ?? ''
    })

    it('shows the value inside the container, in a read-only volume', async () => {
      assert.equal(await workload.read(pod, 'ExampleSecret'), 'MyAKSExampleSecret')
      const { code } = await lab().exec(workload.namespace, pod, undefined, ['touch', '/mnt/secrets-store/intruder'])
      assert.notEqual(code, 0)
    })

    it('records what is mounted in a SecretProviderClassPodStatus that the pod owns', async () => {
      const status = await lab().kube.get(resources.secretProviderClassPodStatuses, {
        namespace: workload.namespace,
        name: `${pod}-${workload.namespace}-${workload.className}`,
      })
      assert.equal(status.status?.mounted, true)
      assert.equal(status.status?.podName, pod)
      assert.equal(status.status?.secretProviderClassName, workload.className)
      assert.match(status.status?.targetPath ?? '', new RegExp(`/pods/${uid}/volumes/kubernetes.io~csi/.+/mount$`))
      assert.deepEqual(
        status.status?.objects?.map(({ id }) => id),
        ['secret/ExampleSecret'],
      )
      assert.match(status.status?.objects?.[0]?.version ?? '', /^[0-9a-f]{32}$/)
      assert.deepEqual(
        status.metadata.ownerReferences?.map((owner) => [owner.kind, owner.name, owner.uid]),
        [['Pod', pod, uid]],
      )
    })

    it('follows a new value in the vault, in the file and in the recorded version', async () => {
      const ref = {
        namespace: workload.namespace,
        name: `${pod}-${workload.namespace}-${workload.className}`,
      }
      const before = await lab().kube.get(resources.secretProviderClassPodStatuses, ref)
      await workload.setSecret('ExampleSecret', 'rotated')
      await until(
        'the file to follow',
        async () => (await workload.read(pod, 'ExampleSecret')) === 'rotated' || undefined,
      )
      await until('the recorded version to follow', async () => {
        const now = await lab().kube.get(resources.secretProviderClassPodStatuses, ref)
        return now.status?.objects?.[0]?.version !== before.status?.objects?.[0]?.version || undefined
      })
    })

    it('leaves no mount and no status object when the pod is deleted', async () => {
      assert.equal((await csiMounts(lab(), uid)).length, 1)
      await deletePod(lab(), workload.namespace, pod)
      await until('the mount to go', async () => (await csiMounts(lab(), uid)).length === 0 || undefined)
      await until('the status object to go', async () => {
        const { items } = await lab().kube.list(resources.secretProviderClassPodStatuses, {
          namespace: workload.namespace,
        })
        return items.every(({ status }) => status?.podName !== pod) || undefined
      })
    })
  })

  describe('a federated credential for another subject', () => {
    const other = 'system:serviceaccount:somewhere:else'
    let workload: Workload

    before(async () => {
      // An identity of its own: the sign-in of one that was right a moment ago is held for some minutes.
      workload = await createWorkload(lab(), 'subject', { subject: other })
      await workload.setSecret('ExampleSecret', 'for the right one')
    })

    it('keeps the pod waiting with an event that names the expected and the presented subject', async () => {
      await workload.startPod('refused')
      const message = await podEvent(lab(), workload.namespace, 'refused', 'FailedMount', 'AADSTS700213')
      assert.ok(message.includes(workload.subject), message)
      assert.ok(message.includes(other), message)
      const refused = await lab().kube.get(resources.pods, { namespace: workload.namespace, name: 'refused' })
      assert.equal(refused.status?.phase, 'Pending')
    })

    it('starts the pod by itself once the federated credential is right', async () => {
      await workload.setSubject(workload.subject)
      await podReady(lab(), workload.namespace, 'refused')
      assert.equal(await workload.read('refused', 'ExampleSecret'), 'for the right one')
    })
  })
}
