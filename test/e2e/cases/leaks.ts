import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { resources } from '#kubernetes/client'
import type { Lab } from '../../support/lab.ts'
import { type Product, productPod } from '../node.ts'
import { leaksIn } from '../planted.ts'
import { podEvent } from '../wait.ts'
import { createWorkload } from '../workload.ts'

const products: readonly Product[] = ['secrets-store-csi-driver', 'secrets-store-provider-azure']

/** The last case: nothing that the product printed in all cases before contains a planted value, a token or a private key. */
export function leakCases(lab: () => Lab): void {
  describe('no secret is printed', () => {
    before(async () => {
      // Failures on the way of a value are where it might slip into an error.
      const workload = await createWorkload(lab(), 'leak', {
        objects: [
          '- {objectName: a-value, objectType: secret, objectEncoding: hex}',
          '- {objectName: a-value, objectType: secret, objectEncoding: base64, objectAlias: b}',
          '- {objectName: a-value, objectType: secret, jsonPath: [{path: $.a}]}',
        ].join('\n'),
      })
      await workload.setSecret('a-value', 'planted, and neither hex nor JSON')
      await workload.startPod('refused')
      await podEvent(lab(), workload.namespace, 'refused', 'FailedMount', '3 of 3 objects failed')
    })

    it('that the scan would not find', () => {
      assert.equal(leaksIn('value "planted, and neither hex nor JSON"').length, 1)
      assert.equal(leaksIn('authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln').length, 2)
    })

    for (const app of products) {
      it(`by the log and the metrics of ${app}`, async () => {
        const pod = await productPod(lab(), app)
        const name = pod.metadata.name ?? ''
        const path = `/api/v1/namespaces/kube-system/pods/${name}/log`
        const log = await lab().kube.raw({ method: 'GET', path })
        assert.match(log, /"level":/, 'there is a log to look at')
        assert.deepEqual(leaksIn(log), [])
        const container = pod.spec.containers[0]
        const port = container?.ports?.find((one) => one.name === 'metrics')?.containerPort
        const script = `fetch("http://127.0.0.1:${port}/metrics").then((r) => r.text()).then((t) => process.stdout.write(t))`
        const command = ['/usr/local/bin/node', '-e', script]
        const { stdout: metrics, stderr } = await lab().exec('kube-system', name, container?.name, command)
        assert.match(metrics, /^# HELP/m, stderr)
        assert.deepEqual(leaksIn(metrics), [])
      })
    }

    it('by events and status objects', async () => {
      const { items: events } = await lab().kube.list(resources.events, {})
      const { items: statuses } = await lab().kube.list(resources.secretProviderClassPodStatuses, {})
      assert.ok(events.length > 0)
      assert.deepEqual(leaksIn(JSON.stringify([events, statuses])), [])
    })
  })
}
