/** The JSON of the dashboards, which Grafana's own library builds: what its types do not check. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dashboard, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard'
import { dashboards } from '../../scripts/monitoring/dashboards/index.ts'
import { renderDashboard } from '../../scripts/monitoring/render-dashboard.ts'
import { needsHelm, template } from '../packaging/charts/helm.ts'

const rendered = dashboards.map((spec) => ({ spec, json: JSON.parse(renderDashboard(spec)) as Dashboard }))
const isPanel = (one: Panel | RowPanel): one is Panel => one.type !== 'row'

test('every panel of a dashboard has an id and a place of its own, and asks the chosen Prometheus', () => {
  for (const { spec, json } of rendered) {
    const all = json.panels ?? []
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length)
    const taken = new Set<string>()
    for (const { title, gridPos = assert.fail(`${spec.name}: ${title} has no place`) } of all) {
      assert.ok(gridPos.x + gridPos.w <= 24, `${spec.name}: ${title} is within the 24 columns`)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x} ${y}`), `${spec.name}: ${title} covers another panel`)
          taken.add(`${x} ${y}`)
        }
    }
    for (const { title, datasource, targets = [] } of all.filter(isPanel)) {
      assert.deepEqual(datasource, { type: 'prometheus', uid: '$datasource' }, title)
      const ids = targets.map((target) => (target as { refId?: string }).refId)
      assert.ok(ids.length > 0 && new Set(ids).size === ids.length, `${spec.name}: ${title}`)
    }
  }
  assert.equal(new Set(rendered.map(({ json }) => json.uid)).size, rendered.length)
})

test('every variable of a dashboard is used, and none is used that it does not have', () => {
  for (const { spec, json } of rendered) {
    const names = (json.templating.list ?? []).map(({ name }) => name).toSorted()
    assert.deepEqual(names, ['datasource', ...spec.variables.map(({ name }) => name)].toSorted())
    const queries = spec.rows.flatMap(({ panels }) => panels.flatMap((panel) => panel.queries))
    const used = queries.flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)].map(([, name = '']) => name))
    const own = used.filter((name) => name !== '__rate_interval')
    assert.deepEqual([...new Set(['datasource', ...own])].toSorted(), names, spec.name)
  }
})

test('the chart installs every dashboard where Grafana’s sidecar looks for it', needsHelm, async () => {
  const labels = { grafana_dashboard: '1', team: 'platform' }
  const annotations = { grafana_folder: 'Keymount' }
  const metrics = { dashboards: { enabled: true, namespace: 'monitoring', labels, annotations } }
  const found = (await template({ metrics })).filter(({ metadata }) => metadata.labels?.grafana_dashboard === '1')
  assert.deepEqual(
    found.map(({ metadata }) => metadata.name).toSorted(),
    dashboards.map(({ name }) => `keymount-dashboard-${name}`).toSorted(),
  )
  for (const { metadata, data } of found) {
    assert.deepEqual(
      [metadata.namespace, metadata.labels?.team, metadata.annotations],
      ['monitoring', 'platform', annotations],
    )
    const [[file = '', text] = []] = Object.entries(data as Record<string, string>)
    const { spec } = rendered.find((one) => `${one.spec.name}.json` === file) ?? assert.fail(file)
    assert.equal(text, renderDashboard(spec))
  }
})
