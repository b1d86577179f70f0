import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { killProductPod } from '../node.ts'
import { podEvent, podReady } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

export function faultCases(lab: () => Lab): void {
  describe('a vault that is down', () => {
    let workload: Workload

    before(async () => {
      workload = await createWorkload(lab(), 'down')
      await workload.setSecret('ExampleSecret', 'there all along')
    })

    it('keeps a new pod waiting with an event that names the vault, and the pod starts by itself when it is back', async () => {
      const host = `${workload.vault}.vault.azure.net`
      await lab().control.setFault(host, { kind: 'unreachable' })
      try {
        await workload.startPod('early')
        await podEvent(lab(), workload.namespace, 'early', 'FailedMount', workload.vault, 'ExampleSecret')
      } finally {
        await lab().control.clearFault(host)
      }
      await podReady(lab(), workload.namespace, 'early')
      assert.equal(await workload.read('early', 'ExampleSecret'), 'there all along')
    })

    it('leaves the old file in a running pod while a rotation fails, and rotates when the vault is back', async () => {
      const host = `${workload.vault}.vault.azure.net`
      await workload.setSecret('ExampleSecret', 'newer')
      await until(
        'the rotation before',
        async () => (await workload.read('early', 'ExampleSecret')) === 'newer' || undefined,
      )
      await lab().control.setFault(host, { kind: 'error', status: 500 })
      try {
        await podEvent(lab(), workload.namespace, 'early', 'MountRotationFailed', workload.vault)
        assert.equal(await workload.read('early', 'ExampleSecret'), 'newer')
      } finally {
        await lab().control.clearFault(host)
      }
      await workload.setSecret('ExampleSecret', 'newest')
      await until(
        'the file to follow',
        async () => (await workload.read('early', 'ExampleSecret')) === 'newest' || undefined,
      )
    })
  })

  describe('bad input', () => {
    it('a class that does not exist is named in the event, and the pod starts once it is there', async () => {
      const workload = await createWorkload(lab(), 'class')
      await workload.setSecret('ExampleSecret', 'late class')
      const ref = { namespace: workload.namespace, name: workload.className }
      const { metadata, ...rest } = await lab().kube.get(resources.secretProviderClasses, ref)
      await lab().kube.delete(resources.secretProviderClasses, ref)
      await workload.startPod('early')
      const found = `failed to get secretproviderclass ${workload.namespace}/${workload.className}`
      await podEvent(lab(), workload.namespace, 'early', 'FailedMount', found, 'not found')
      const again = { ...rest, metadata: { name: metadata.name ?? '', namespace: workload.namespace } }
      await lab().kube.create(resources.secretProviderClasses, again)
      await podReady(lab(), workload.namespace, 'early')
    })

    it('an object that the vault does not have is named with its vault, and the pod starts once it is set', async () => {
      const workload = await createWorkload(lab(), 'object')
      await workload.startPod('early')
      await podEvent(
        lab(),
        workload.namespace,
        'early',
        'FailedMount',
        'ExampleSecret',
        workload.vault,
        'SecretNotFound',
      )
      await workload.setSecret('ExampleSecret', 'set at last')
      await podReady(lab(), workload.namespace, 'early')
      assert.equal(await workload.read('early', 'ExampleSecret'), 'set at last')
    })

    it('a misspelt parameter is named in the event', async () => {
      const workload = await createWorkload(lab(), 'typo', { parameters: { keyvaultName: '', keyVaultName: 'typo' } })
      await workload.startPod('early')
      await podEvent(lab(), workload.namespace, 'early', 'FailedMount', 'keyvaultName')
    })

    it('an identity without a right on the vault gets an event that names the right, and the pod starts once it has it', async () => {
      const workload = await createWorkload(lab(), 'role')
      await workload.setSecret('ExampleSecret', 'granted')
      await lab().azure.removeRole({
        principalId: workload.identity.principalId,
        role: 'Key Vault Secrets User',
        vault: workload.vault,
      })
      await workload.startPod('early')
      await podEvent(lab(), workload.namespace, 'early', 'FailedMount', 'ForbiddenByRbac', workload.vault)
      await lab().azure.assignRole({
        principalId: workload.identity.principalId,
        role: 'Key Vault Secrets User',
        vault: workload.vault,
      })
      await podReady(lab(), workload.namespace, 'early')
    })
  })

  describe('a crash on the node', () => {
    let workload: Workload

    before(async () => {
      workload = await createWorkload(lab(), 'crash')
      await workload.setSecret('ExampleSecret', 'before')
      await workload.startPod('running')
      await podReady(lab(), workload.namespace, 'running')
    })

    for (const app of ['secrets-store-csi-driver', 'secrets-store-provider-azure'] as const) {
      it(`${app} killed while volumes are mounted: files stay, rotation goes on, new pods mount`, async () => {
        const earlier = await workload.read('running', 'ExampleSecret')
        await killProductPod(lab(), app)
        assert.equal(await workload.read('running', 'ExampleSecret'), earlier)
        await workload.setSecret('ExampleSecret', `after ${app}`)
        await workload.startPod(`new-${app}`)
        await podReady(lab(), workload.namespace, `new-${app}`)
        for (const pod of ['running', `new-${app}`]) {
          const follows = async () => (await workload.read(pod, 'ExampleSecret')) === `after ${app}` || undefined
          await until(`the pod ${pod} to follow`, follows)
        }
      })
    }
  })
}
