import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { createChartRepository } from './chart-repository.ts'
import { chartNames, packageCharts } from './package-charts.ts'
import { publicChartSites } from './public-sites.ts'

const directory = join(import.meta.dirname, '../../../charts')
const charts = await packageCharts({ directory })

test('the same sources give the same bytes', async () => {
  const again = await packageCharts({ directory })
  assert.deepEqual(
    again.map(({ sha256 }) => sha256),
    charts.map(({ sha256 }) => sha256),
  )
})

test('other defaults for the thin charts leave the chart itself as it is', async () => {
  const [whole, ...thin] = await packageCharts({ directory, defaults: '{{- dict | toYaml -}}' })
  assert.equal(whole?.sha256, charts[0]?.sha256)
  for (const [index, { sha256 }] of thin.entries()) assert.notEqual(sha256, charts[index + 1]?.sha256)
})

test('the versions of the thin charts name the release of upstream that they stand for, and ours', () => {
  const [own, ...versions] = charts.map(({ metadata }) => metadata.version)
  for (const version of versions) assert.match(version, new RegExp(`^\\d+\\.\\d+\\.\\d+\\+keymount\\.${own}$`))
})

test('the index of a repository names every chart with its digest, and where it is', async () => {
  const repository = createChartRepository(charts)
  const { entries } = parse(await repository.answer('index.yaml').text()) as {
    entries: Record<string, [{ urls: [string]; digest: string }]>
  }
  assert.deepEqual(Object.keys(entries), [...chartNames])
  for (const [{ urls, digest }] of Object.values(entries)) {
    const bytes = await repository.answer(urls[0]).bytes()
    assert.equal(createHash('sha256').update(bytes).digest('hex'), digest)
  }
})

test('a repository lists its content when asked for something else', async () => {
  const answer = createChartRepository(charts).answer('keymount-9.9.9.tgz')
  assert.equal(answer.status, 404)
  assert.match(await answer.text(), /index\.yaml, keymount-\d/)
})

test('a public site answers below the addresses of its charts only', async () => {
  const site = publicChartSites(() => Promise.resolve(charts)).find(({ host }) => host === 'raw.githubusercontent.com')
  const ask = (path: string) => site?.answer(new Request(`https://raw.githubusercontent.com${path}`))
  const found = await ask('/Azure/secrets-store-csi-driver-provider-azure/master/charts/index.yaml')
  assert.equal(found?.status, 200)
  const other = await ask('/someone/something/master/README.md')
  assert.equal(other?.status, 404)
})
