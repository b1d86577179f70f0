/**
 * A real Prometheus scrapes running daemons whose faults are caused for real, with the rules as they are except for how long an
 * expression has to hold. What takes hours is in alert-rules.test.ts, with recorded series.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alerts } from '../../scripts/monitoring/alerts.ts'
import { dashboards } from '../../scripts/monitoring/dashboards/index.ts'
import { rulesFile } from '../../scripts/monitoring/render-rules.ts'
import { eventually, until } from '../support/eventually.ts'
import { startFaultyFleet } from './faulty-fleet.ts'
import { needsPrometheus, startPrometheus, type TestPrometheus } from './prometheus.ts'

/** Not caused here, with the reason. */
const notHere: Readonly<Record<string, string>> = {
  KeymountVaultBudget: 'would take 60,000 requests',
}

/** Its metric appears ten minutes after a class no longer names a Secret. */
const withoutData = ['sum(rate(sync_k8s_secret_removed_total[1m]))']

test('every alert fires for its fault, and every panel has data', {
  timeout: 480_000,
  ...needsPrometheus,
}, async (t) => {
  const fleet = await startFaultyFleet(t)
  const prometheus = await startPrometheus(t, { targets: fleet.targets, rules: rulesFile('0s') })
  const faults = fleet.disturb()
  const expected = alerts.map(({ name }) => name).filter((name) => !(name in notHere))
  const afterTheEnd = ['KeymountEventsMissing', 'KeymountDown']
  await firing(
    prometheus,
    expected.filter((name) => !afterTheEnd.includes(name)),
  )
  const ofClasses = (await prometheus.firing()).map((labels) => labels.class)
  assert.ok(ofClasses.includes('away'))
  assert.ok(!ofClasses.includes('expiring'), 'the volume whose vault is well has no alert')
  const answered = new Set<string>()
  await askPanels(prometheus, answered)
  await fleet.recover()
  await eventually(async () => {
    await askPanels(prometheus, answered)
    assert.deepEqual(
      panelQueries.filter((query) => !answered.has(query)),
      withoutData,
    )
  }, 120_000)
  await fleet.stopOperator()
  await firing(prometheus, afterTheEnd)
  await faults.stop()
})

async function firing(prometheus: TestPrometheus, names: readonly string[]): Promise<void> {
  const seen = new Set<string>()
  await until(
    `alerts: ${names.join(', ')}`,
    async () => {
      for (const { alertname = '' } of await prometheus.firing()) seen.add(alertname)
      const missing = names.filter((name) => !seen.has(name))
      if (missing.length > 0) throw new Error(`not firing: ${missing.join(', ')}`)
      return true
    },
    { withinMs: 120_000 },
  )
}

/** Every query of every dashboard, with all values of its variables. */
const panelQueries = dashboards.flatMap(({ rows }) =>
  rows
    .flatMap(({ panels }) => panels.flatMap(({ queries }) => queries))
    .map(({ expr }) => expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$\w+/g, '.*')),
)

/** Asks each query that had no data yet; one that Prometheus does not understand rejects. */
async function askPanels(prometheus: TestPrometheus, answered: Set<string>): Promise<void> {
  for (const query of panelQueries) {
    if (!answered.has(query) && (await prometheus.query(query)).length > 0) answered.add(query)
  }
}
