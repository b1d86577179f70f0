/**
 * The dashboard of a cluster with 10,000 volumes, in Chromium: how long until the rows are there, how long a filter, a sort and a change
 * take, and the memory of the process. Prints figures beside the aims. The last line is JSON.
 *
 *   node bin/node.mjs bench/dashboard.ts [--volumes 10000]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { createKubeClient, loadKubeconfig, resources, statusAnnotations } from '#kubernetes/client'
import { browserMissing, startBrowser } from '../test/support/browser.ts'
import { openDashboard } from '../test/support/dashboard.ts'
import { createFleet } from '../test/support/dashboard-fleet.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { memoryMib } from '../test/support/process-memory.ts'
import { createCleanup } from './support/cleanup.ts'
import { benchOptions } from './support/options.ts'
import { createFigures, quantile } from './support/statistics.ts'

const options = benchOptions({ volumes: 10_000 })
if (browserMissing !== false) throw new Error(browserMissing)

/** The page is open, and the cluster as it was. */
const restMs = 8000

const { record, json } = createFigures()

const cleanup = createCleanup()
try {
  const cluster = await startLocalCluster(cleanup.t)
  const kube = createKubeClient(loadKubeconfig(cluster.kubeconfig))
  cleanup.t.after(() => kube.close())
  const { volumes } = await createFleet(kube, options)
  console.log(`(${volumes} volumes in the cluster)`)
  const browser = await startBrowser(cleanup.t)
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage()
  const startedAt = performance.now()
  const dashboard = await openDashboard(cleanup.t, cluster.kubeconfig)
  await page.goto(dashboard.url)
  await complete(page)
  record('from the start of the command to all rows on the page, ms', performance.now() - startedAt)
  record('memory of the process when all rows are on the page, MiB (Pss)', memoryMib(dashboard.pid).pss)
  await sleep(restMs)
  record('memory of the process at rest, MiB (Pss)', memoryMib(dashboard.pid).pss, '150')

  const paints: number[] = []
  for (let i = 0; i < 5; i++) paints.push(await timePaint(page, `${dashboard.origin}/volumes`))
  record('page opened, the list is there: first rows, ms, p50', quantile(paints, 0.5), '1500')
  await complete(page)
  record('filter: from a key to the new rows, ms, p50', await timeFilter(page, 0.5), '50')
  record('filter: from a key to the new rows, ms, longest', await timeFilter(page, 1))
  record(
    'sort by another column, ms',
    await page.evaluate<number>(`(async () => {
    const startedAt = performance.now()
    document.querySelector('th:nth-child(3) button').click()
    return performance.now() - startedAt
  })()`),
  )
  record('rows in the document', await page.evaluate<number>("document.querySelectorAll('#body tr').length"))
  record('heap of the page, MiB', (await page.evaluate<number>('performance.memory.usedJSHeapSize')) / 1024 / 1024)

  const changes: number[] = []
  for (let i = 0; i < 10; i++) changes.push(await timeChange(i))
  record('a status object changes: until the page shows it, ms, p50', quantile(changes, 0.5))
  await sleep(restMs)
  record('memory of the process after 15 pages and 10 changes, MiB (Pss)', memoryMib(dashboard.pid).pss, '150')

  /** Time from a write to the API server to the text of the row. */
  async function timeChange(i: number): Promise<number> {
    const code = `failure-${String.fromCharCode(97 + i)}`
    const annotations = { [statusAnnotations.lastFailure]: `${code} of a test`, [statusAnnotations.failureCode]: code }
    await page.fill('#filter', `code:${code}`)
    const { items } = await kube.list(resources.secretProviderClassPodStatuses, { namespace: 'team-0' })
    const [first] = items
    const from = performance.now()
    await kube.patch(
      resources.secretProviderClassPodStatuses,
      { namespace: 'team-0', name: first?.metadata.name ?? '' },
      { metadata: { annotations } },
    )
    await page.waitForSelector('html[data-rows="1"]', { state: 'attached' })
    return performance.now() - from
  }
} finally {
  await cleanup.run()
}
console.log(json())

function complete(page: Page) {
  return page.waitForSelector('html[data-complete=true]', { state: 'attached', timeout: 120_000 })
}

/** From the navigation to the first rows that are painted, by the page's own clock. */
async function timePaint(page: Page, url: string): Promise<number> {
  await page.goto(url, { waitUntil: 'commit' })
  await page.waitForSelector('#body tr[data-key]', { state: 'attached', timeout: 60_000 })
  return page.evaluate<number>(
    'new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))',
  )
}

async function timeFilter(page: Page, q: number): Promise<number> {
  const times = await page.evaluate<number[]>(`(() => {
    const input = document.getElementById('filter')
    const times = []
    for (const text of ['t', 'te', 'team-4', 'team-4 service-14', 'ns:team-7', 'ns:team-7 state:fresh', 'state:failing', 'class=service-77', '-ns:team', '']) {
      const startedAt = performance.now()
      input.value = text
      input.dispatchEvent(new Event('input', { bubbles: true }))
      document.getElementById('body').getBoundingClientRect()
      times.push(performance.now() - startedAt)
    }
    return times
  })()`)
  return quantile(times, q)
}
