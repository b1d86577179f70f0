import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { runCli } from '../../support/run-cli.ts'
import { podEvent, podReady } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

/** A class that is read once an hour: what happens sooner is the effect of the command. */
export function rotateNowCases(lab: () => Lab): void {
  describe('keymount rotate', () => {
    const pod = 'hourly'
    let workload: Workload
    before(async () => {
      workload = await createWorkload(lab(), 'now', { parameters: { syncInterval: '1h' } })
      await workload.setSecret('ExampleSecret', 'looked up at the start')
      await workload.startPod(pod)
      await podReady(lab(), workload.namespace, pod)
    })

    it('brings a new value to a running pod at once, and the status object has the times of the last and the next check', async () => {
      await workload.setSecret('ExampleSecret', 'looked up by the command')
      // A read that another pod has just made serves the node for five seconds.
      await until('the command to find it', async () => {
        const { code, stdout } = await rotate()
        assert.equal(code, 0, stdout)
        return stdout.startsWith(`✓ changed: 1 pod (${pod})\n`) || undefined
      })
      assert.equal(await workload.read(pod, 'ExampleSecret'), 'looked up by the command')
      const found = await annotations()
      const [checked, changed, next] = ['last-check', 'last-change', 'next-check'].map((name) =>
        Date.parse(found[`keymount.dev/${name}`] ?? ''),
      ) as [number, number, number]
      assert.equal(checked, changed)
      assert.ok(next > checked && next <= checked + 3_600_000, `checked ${checked}, next ${next}`)
    })

    it('prints why a pod has its old file; the status object and an event name the reason too, until the cause is gone', async () => {
      const host = `${workload.vault}.vault.azure.net`
      await lab().control.setFault(host, { kind: 'error', status: 500 })
      try {
        const stdout = await until('the command to fail', async () => {
          const failed = await rotate()
          return failed.code === 1 ? failed.stdout : undefined
        })
        assert.ok(stdout.startsWith(`✗ failed; the old files stay: 1 pod (${pod})\n`), stdout)
        assert.ok((await annotations())['keymount.dev/last-failure']?.includes(workload.vault))
        await podEvent(lab(), workload.namespace, pod, 'MountRotationFailed', workload.vault)
      } finally {
        await lab().control.clearFault(host)
      }
      const { code, stdout } = await rotate()
      assert.equal(code, 0, stdout)
      assert.equal((await annotations())['keymount.dev/last-failure'], undefined)
      assert.equal(await workload.read(pod, 'ExampleSecret'), 'looked up by the command')
    })

    function rotate() {
      const { namespace, className } = workload
      return runCli(['rotate', className, '-n', namespace], { KUBECONFIG: lab().kubeconfig, NO_COLOR: '1' })
    }

    async function annotations(): Promise<Record<string, string>> {
      const { namespace, className } = workload
      const name = `${pod}-${namespace}-${className}`
      const { metadata } = await lab().kube.get(resources.secretProviderClassPodStatuses, { namespace, name })
      return metadata.annotations ?? {}
    }
  })
}
