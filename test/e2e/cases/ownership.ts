import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Pod } from '#kubernetes/client'
import type { Lab } from '../../support/lab.ts'
import { podReady } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

/** A pod that is not root can read a file of mode 0400: through its `fsGroup`, or because the class sets the owner. */
export function ownershipCases(lab: () => Lab): void {
  describe('files that only their owner may read', () => {
    const objects = '- {objectName: ExampleSecret, objectType: secret, filePermission: "0400"}'
    const unprivileged = { runAsUser: 1000, runAsGroup: 1000 }
    let workload: Workload
    before(async () => {
      workload = await createWorkload(lab(), 'owner', { objects })
      await workload.setSecret('ExampleSecret', 'for the owner alone')
    })

    it('are read by a pod that is not root and has an fsGroup', async () => {
      await start('grouped', { ...unprivileged, fsGroup: 2000 })
      assert.equal(await workload.read('grouped', 'ExampleSecret'), 'for the owner alone')
    })

    it('are closed to a pod that is not root and has none', async () => {
      await start('stranger', unprivileged)
      await assert.rejects(workload.read('stranger', 'ExampleSecret'), /Permission denied/)
    })

    it('are read by a pod whose user the class names', async () => {
      workload = await createWorkload(lab(), 'fileowner', { objects, parameters: { fileOwner: '1000:1000' } })
      await workload.setSecret('ExampleSecret', 'for the user of the class')
      await start('owner', unprivileged)
      assert.equal(await workload.read('owner', 'ExampleSecret'), 'for the user of the class')
    })

    async function start(name: string, securityContext: NonNullable<Pod['spec']['securityContext']>): Promise<void> {
      await workload.startPod(name, { securityContext })
      await podReady(lab(), workload.namespace, name)
      const { stdout } = await lab().exec(workload.namespace, name, undefined, ['id', '-u'])
      assert.equal(stdout.trim(), '1000')
    }
  })
}
