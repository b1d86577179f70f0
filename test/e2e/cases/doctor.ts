import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import { findKubectl } from '../../support/kubectl.ts'
import type { Lab } from '../../support/lab.ts'
import { cliEnvironment, runCli } from '../../support/run-cli.ts'
import { podReady } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

interface Row {
  id: string
  state: string
  code?: string
  found?: string
  fix?: string[]
}

/** A few of the planted faults of test/cli/doctor-faults.test.ts, as a real kubelet and a real API server report them. */
export function doctorCases(lab: () => Lab): void {
  describe('keymount doctor', () => {
    it('finds nothing wrong with a pod that works, and its probe mounts the same files', async () => {
      const workload = await createWorkload(lab(), 'doctor')
      await workload.setSecret('ExampleSecret', 'a value that is never printed')
      await workload.startPod('fine')
      await podReady(lab(), workload.namespace, 'fine')
      const { code, steps } = await examine(workload, 'pod/fine', '--probe')
      // The example asks for the webhook, which the lab does not run, and which files do not need.
      assert.deepEqual(
        steps.filter(({ id, state }) => state !== 'ok' && id !== 'I2'),
        [],
      )
      assert.equal(code, 0)
      assert.match(found(steps, 'D1'), /a probe on \S+ has mounted the volumes: ExampleSecret \(up to 64 bytes\)/)
      const { items } = await lab().kube.list(resources.pods, { namespace: workload.namespace })
      assert.deepEqual(
        items.map(({ metadata }) => metadata.name),
        ['fine'],
      )
    })

    it('names the object that is disabled', async () => {
      const workload = await createWorkload(lab(), 'disabled')
      const secret = { value: 'of no use', attributes: { enabled: false } }
      await lab().azure.vault('PUT', workload.vault, '/secrets/ExampleSecret', secret)
      await workload.startPod('late')
      const { wrong } = await firstWrong(workload, 'pod/late')
      assert.deepEqual([wrong.id, wrong.code], ['V2', 'vault-object-disabled'])
      assert.match(
        wrong.fix?.[0] ?? '',
        /^az keyvault secret set-attributes --vault-name \S+ --name ExampleSecret --enabled true$/,
      )
    })

    it('names the class that was meant, and its command starts the pod', async () => {
      const workload = await createWorkload(lab(), 'meant')
      await workload.setSecret('ExampleSecret', 'found in the end')
      const csi = {
        driver: 'secrets-store.csi.k8s.io',
        readOnly: true,
        volumeAttributes: { secretProviderClass: `${workload.className}s` },
      }
      await workload.startPod('app', { volumes: [{ name: 'secrets-store01-inline', csi }] })
      const { wrong } = await firstWrong(workload, 'pod/app')
      assert.deepEqual([wrong.id, wrong.code], ['K3', 'class-not-found'])
      await shell(wrong.fix?.[0] ?? '')
      await podReady(lab(), workload.namespace, 'app')
      assert.equal(await workload.read('app', 'ExampleSecret'), 'found in the end')
    })

    it('names the label that no node has', async () => {
      const workload = await createWorkload(lab(), 'nowhere')
      await workload.startPod('app', { nodeSelector: { 'example.com/pool': 'none' } })
      const { wrong } = await firstWrong(workload, 'pod/app')
      assert.deepEqual([wrong.id, wrong.code], ['K3', 'pod-not-scheduled'])
    })

    const found = (steps: readonly Row[], step: string) => steps.find(({ id }) => id === step)?.found ?? ''

    async function examine({ namespace }: Workload, ...words: string[]) {
      const env = { KUBECONFIG: lab().kubeconfig, NO_COLOR: '1' }
      const { code, stdout, stderr } = await runCli(['doctor', ...words, '-n', namespace, '-o', 'json'], env)
      assert.ok(code === 0 || (code === 1 && stdout !== ''), stderr)
      return { code, steps: (JSON.parse(stdout) as { steps: Row[] }).steps }
    }

    /** Once kubelet or the scheduler has reported it. */
    async function firstWrong(workload: Workload, target: string) {
      return until('the doctor finds what is wrong', async () => {
        const { steps } = await examine(workload, target)
        const wrong = steps.find(({ state }) => state === 'fail')
        return wrong === undefined ? undefined : { steps, wrong }
      })
    }

    function shell(command: string): Promise<void> {
      const script = command.replaceAll(/(^|\| )kubectl /g, `$1${findKubectl() ?? 'kubectl'} `)
      const env = { ...cliEnvironment(), KUBECONFIG: lab().kubeconfig }
      return new Promise((done, failed) => {
        execFile('/bin/sh', ['-c', script], { env }, (error) => (error === null ? done() : failed(error)))
      })
    }
  })
}
