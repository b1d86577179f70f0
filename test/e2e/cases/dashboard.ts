import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { resources } from '#kubernetes/client'
import { type OpenDashboard, openDashboard } from '../../support/dashboard.ts'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { tokenKubeconfig } from '../../support/token-kubeconfig.ts'
import { createViewerRole } from '../../support/viewer-role.ts'
import { leaksIn, plant } from '../planted.ts'
import { podReady } from '../wait.ts'
import { createWorkload } from '../workload.ts'

const views = ['volumes', 'objects', 'classes', 'secrets', 'nodes', 'problems', 'events'] as const
type View = (typeof views)[number]

interface VolumeRow {
  key: string
  namespace: string
  pod: string
  state: string
  code: string | null
  message: string | null
}

interface Head {
  missing: Record<string, string>
  partial: Partial<Record<View, string[]>>
}

/** The dashboard of a user of the cluster: rows of what kubelet and driver report, and what an account without rights sees. */
export function dashboardCases(lab: () => Lab): void {
  describe('keymount dashboard', () => {
    it('shows a volume that works, then that its object is disabled, and a pod that waits for it; no value', async (t) => {
      const workload = await createWorkload(lab(), 'dashboard')
      const { namespace } = workload
      await workload.setSecret('ExampleSecret', 'a value that no page shows')
      const value = Buffer.from(plant('a Secret beside the volume')).toString('base64')
      const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'beside' }, type: 'Opaque' }
      await lab().kube.create(resources.secrets, { ...secret, data: { password: plant(value) } })
      await workload.startPod('fine')
      await podReady(lab(), namespace, 'fine')
      const dashboard = await openDashboard(t, lab().kubeconfig)
      const session = await dashboard.signIn()
      const fine = await rowOf(dashboard, session, namespace, 'fine', ({ state }) => state === 'fresh')
      assert.deepEqual([fine.code, fine.message], [null, null])

      const disabled = { value: plant('another value of no page'), attributes: { enabled: false } }
      await lab().azure.vault('PUT', workload.vault, '/secrets/ExampleSecret', disabled)
      const failing = await rowOf(dashboard, session, namespace, 'fine', ({ state }) => state === 'failing')
      assert.equal(failing.code, 'vault-object-disabled')
      // A pod that started together with the change could still get the value that the provider had just read.
      await workload.startPod('late')
      const late = await rowOf(dashboard, session, namespace, 'late', ({ code }) => code !== null)
      assert.deepEqual([late.state, late.code], ['waiting', 'vault-object-disabled'])

      const texts = [dashboard.output(), JSON.stringify(await readAll(dashboard, session))]
      assert.match(texts.join(), /secret\/ExampleSecret/)
      assert.deepEqual(leaksIn(texts.join()), [])
    })

    it('reports to an account without rights what it could not read, and has the rows of a namespace for one that may list there', async (t) => {
      const workload = await createWorkload(lab(), 'viewer')
      const { namespace } = workload
      await workload.setSecret('ExampleSecret', 'a value that a viewer does not see')
      await workload.startPod('app')
      await podReady(lab(), namespace, 'app')
      const account = { namespace, name: 'viewer' }
      const metadata = { ...account }
      await lab().kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
      const kubeconfig = await tokenKubeconfig(t, lab().kube, lab().kubeconfig, account)

      const powerless = await openDashboard(t, kubeconfig)
      const all = await readAll(powerless, await powerless.signIn())
      for (const view of views) {
        const { rows, head } = all[view]
        assert.deepEqual(rows, [], view)
        assert.notDeepEqual(head.partial[view] ?? [], [], `${view} is reported as incomplete`)
        for (const why of Object.values(head.missing)) assert.match(why, /forbidden/i)
      }
      await powerless.stop()

      await createViewerRole(lab().kube, account)
      const viewer = await openDashboard(t, kubeconfig, '-n', namespace)
      const session = await viewer.signIn()
      const app = await rowOf(viewer, session, namespace, 'app', ({ state }) => state !== 'waiting')
      assert.equal(app.namespace, namespace)
      const seen = await readAll(viewer, session)
      assert.equal(seen.volumes.rows.length, 1)
      assert.deepEqual(seen.volumes.head.partial.nodes?.includes('nodes'), true)
      assert.deepEqual(leaksIn([viewer.output(), powerless.output(), JSON.stringify([all, seen])].join()), [])
    })
  })
}

/** The row of the only volume of a pod, once it is as expected. */
function rowOf(
  dashboard: OpenDashboard,
  session: Record<string, string>,
  namespace: string,
  pod: string,
  isExpected: (row: VolumeRow) => boolean,
): Promise<VolumeRow> {
  let last: unknown
  return until(`the row of pod ${pod}`, async () => {
    const { rows } = await read(dashboard, session, 'volumes')
    const row = (rows as VolumeRow[]).find((one) => one.namespace === namespace && one.pod === pod)
    last = row
    if (row !== undefined && isExpected(row)) return row
    throw new Error(`it is ${JSON.stringify(last)}`)
  })
}

async function readAll(dashboard: OpenDashboard, session: Record<string, string>) {
  const all = await Promise.all(views.map(async (view) => [view, await read(dashboard, session, view)] as const))
  return Object.fromEntries(all) as Record<View, { rows: object[]; head: Head }>
}

/** The rows of a view, when all of them have come. */
async function read(
  dashboard: OpenDashboard,
  session: Record<string, string>,
  view: View,
): Promise<{ rows: object[]; head: Head }> {
  const lines = await dashboard.lines(`/api/rows/${view}`, session, (all) =>
    all.some(({ type, isReady }) => type === 'head' && isReady),
  )
  const rows = new Map<string, object>()
  for (const line of lines) if (line.type === 'set') for (const row of line.rows) rows.set(row.key, row)
  return { rows: [...rows.values()], head: lines.findLast(({ type }) => type === 'head') }
}
