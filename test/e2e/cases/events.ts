import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { classAnnotations, resources } from '#kubernetes/client'
import { type EventsOperator, startEventsOperator } from '../../support/events-operator.ts'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { podReady } from '../wait.ts'
import { createWorkload, type Workload } from '../workload.ts'

/** A class that is read once an hour: what happens sooner is the effect of an event. */
export function eventCases(lab: () => Lab): void {
  describe('events of a vault', () => {
    const pod = 'hourly'
    let workload: Workload
    let operator: EventsOperator
    before(async () => {
      workload = await createWorkload(lab(), 'events', { parameters: { syncInterval: '1h' } })
      await workload.setSecret('ExampleSecret', 'read at the start')
      operator = await startEventsOperator(lab(), workload.vault)
      await workload.startPod(pod)
      await podReady(lab(), workload.namespace, pod)
    })
    after(() => operator?.stop())

    it('bring each new value to the running pod long before its interval', async () => {
      for (const value of ['pushed', 'pushed again', 'and a third time']) {
        await workload.setSecret('ExampleSecret', value)
        await until(`the value ${value}`, async () => (await workload.read(pod, 'ExampleSecret')) === value)
      }
      const ref = { namespace: workload.namespace, name: workload.className }
      const { metadata } = await lab().kube.get(resources.secretProviderClasses, ref)
      const changed = metadata.annotations?.[classAnnotations.changed] ?? ''
      assert.match(changed, /\/secrets\/ExampleSecret\//i, 'the operator names what has changed')
    })
  })
}
