import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { stringify } from 'yaml'
import { resources } from '#kubernetes/client'
import { sleep } from '#lib'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { type OperatorProcess, startOperatorProcess } from '../../support/operator-process.ts'
import {
  mountsOf,
  type Place,
  replicaSets,
  restartedFor,
  restartedWorkload,
  restartKeyOf,
  runningPods,
  whilePaused,
} from '../restarts.ts'
import { createWorkload, type Workload } from '../workload.ts'

const replicas = 3
const flags = ['--restart', '--restart-min-interval=0s', '--rotation-poll-interval=5s']

/** Restarts on rotation: the driver and the controllers of the cluster, and an operator beside it. */
export function restartCases(lab: () => Lab): void {
  describe('restart on rotation', () => {
    const name = 'restarted'
    let workload: Workload
    let place: Place
    let operator: OperatorProcess
    const start = () => startOperatorProcess(lab().kubeconfig, [...flags, `--namespaces=${workload.namespace}`])

    before(async () => {
      workload = await createWorkload(lab(), 'restart')
      place = { kube: lab().kube, namespace: workload.namespace }
      await workload.setSecret('ExampleSecret', 'started with this')
      const driver = 'secrets-store.csi.k8s.io'
      await lab().kube.create(
        resources.deployments,
        restartedWorkload({ ...workload, driver }, 'Deployment', name, { replicas }),
      )
      await until(`${replicas} pods`, async () => (await runningPods(place, name)).length === replicas)
      operator = start()
    })
    after(() => operator?.kill())

    it('does not follow a value that comes back while the workload is paused', async () => {
      const [{ version: first } = { version: '' }] = await mountsOf(place, name)
      await whilePaused(place, name, async () => {
        await workload.setSecret('ExampleSecret', 'in between')
        await until('all pods to have another value than they started with', async () =>
          all(await mountsOf(place, name), ({ isStale, version }) => isStale && version !== first),
        )
        assert.equal(await restartedFor(place, name), undefined)
        await pinVersion(first)
        await until('all pods to have the first value again', async () =>
          all(await mountsOf(place, name), ({ isStale, version }) => !isStale && version === first),
        )
      })
      await sleep(5000)
      assert.equal(await restartedFor(place, name), undefined)
    })

    it('gives the workload exactly one new ReplicaSet, whenever the operator is killed', async () => {
      await pinVersion('')
      for (let kills = 0; kills < 2; kills++) {
        await operator.kill()
        operator = start()
        await sleep(3000)
      }
      await until('the new pods', async () => {
        const isNew = all(await mountsOf(place, name), ({ isStale }) => !isStale)
        return isNew && (await restartedFor(place, name)) !== undefined
      })
      for (const { metadata } of await runningPods(place, name))
        assert.equal(await workload.read(metadata.name ?? '', 'ExampleSecret'), 'in between')
      await sleep(5000)
      const sets = await replicaSets(place, name)
      assert.deepEqual(
        sets.map(restartKeyOf).filter((key) => key !== undefined),
        [await restartedFor(place, name)],
      )
      assert.equal(sets.length, 2)
    })

    const all = <T>(found: readonly T[], test: (one: T) => boolean) => found.length === replicas && found.every(test)

    /** Makes the class ask for one version of its object; an empty one is the latest. */
    async function pinVersion(objectVersion: string): Promise<void> {
      const object = stringify({ objectName: 'ExampleSecret', objectType: 'secret', objectVersion })
      const ref = { namespace: workload.namespace, name: workload.className }
      const parameters = { objects: stringify({ array: [object] }) }
      await lab().kube.patch(resources.secretProviderClasses, ref, { spec: { parameters } })
    }
  })
}
