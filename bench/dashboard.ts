/**
 * The dashboard of a cluster with 10,000 volumes, in Chromium: how long until the rows are there, how long a filter, a sort and a change
 * take, what is sent to the page, and the memory of the process, also after many changes. Prints figures beside the aims. The last line
 * is JSON.
 *
 *   node bin/node.mjs bench/dashboard.ts [--volumes 10000] [--changes 20000]
 */
import type { Page } from 'playwright-core'
import { createKubeClient, loadKubeconfig, resources, statusAnnotations } from '#kubernetes/client'
import { sleep } from '#lib'
import { forEachLimited } from '#lib/async'
import { browserMissing, startBrowser } from '../test/support/browser.ts'
import { openDashboard } from '../test/support/dashboard.ts'
import { createFleet } from '../test/support/dashboard-fleet.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { memoryMib } from '../test/support/process-memory.ts'
import { createCleanup } from './support/cleanup.ts'
import { benchOptions } from './support/options.ts'
import { createFigures, quantile } from './support/statistics.ts'

const options = benchOptions({ volumes: 10_000, changes: 20_000 })
if (browserMissing !== false) throw new Error(browserMissing)

/** The page is open, and the cluster as it was. */
const restMs = 8000
/** Of the many changes: rounds of so many, each in at most this time. Every second one takes back what the one before it wrote. */
const changesPerRound = 5000
const roundMs = 22_000

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
  const sent = await countRowBytes(page)
  const startedAt = performance.now()
  const dashboard = await openDashboard(cleanup.t, cluster.kubeconfig)
  await page.goto(dashboard.url)
  await firstRows(page)
  record('from the start of the command to the first rows on the page, ms', performance.now() - startedAt)
  await complete(page)
  record('from the start of the command to all rows on the page, ms', performance.now() - startedAt)
  record('sent to the page while the lists were read, MB', sent.takeMegabytes())
  record('memory of the process when all rows are on the page, MiB (Pss)', memoryMib(dashboard.pid).pss)
  await sleep(restMs)
  record('memory of the process at rest, MiB (Pss)', memoryMib(dashboard.pid).pss, '150')

  const paints: number[] = []
  for (let i = 0; i < 5; i++) paints.push(await timePaint(page, `${dashboard.origin}/volumes`))
  record('page opened, the list is there: first rows, ms, p50', quantile(paints, 0.5), '1500')
  await complete(page)
  sent.takeMegabytes()
  await page.goto(`${dashboard.origin}/volumes`)
  await complete(page)
  record('sent to a page that is opened later: every row once, MB', sent.takeMegabytes())
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
  record('heap of the page, MiB', await pageHeap(page))

  const changes: number[] = []
  for (let i = 0; i < 10; i++) changes.push(await timeChange(i))
  record('a status object changes: until the page shows it, ms, p50', quantile(changes, 0.5))
  await sleep(restMs)
  record('memory of the process after 15 pages and 10 changes, MiB (Pss)', memoryMib(dashboard.pid).pss, '150')

  let changed = 0
  for (let round = 1; (round - 1) * changesPerRound < options.changes; round++) {
    changed += await changeMany(round)
    await sleep(restMs)
    record(`memory of the process after ${changed} changes of rows, MiB (Pss)`, memoryMib(dashboard.pid).pss, '150')
    record(`heap of the page after ${changed} changes of rows, MiB`, await pageHeap(page))
  }

  /** The statuses of many rows, one after the other, as drivers write them: the page follows. Gives how many there was time for. */
  async function changeMany(round: number): Promise<number> {
    const { items } = await kube.list(resources.secretProviderClassPodStatuses, { metadataOnly: true })
    const until = performance.now() + roundMs
    let written = 0
    await forEachLimited(
      Array.from({ length: changesPerRound }, (_, i) => items[i % items.length]?.metadata),
      16,
      async (metadata) => {
        if (metadata === undefined || performance.now() > until) return
        const { namespace = '', name = '' } = metadata
        const text = `[vault-forbidden] round ${round}: ${'the identity has no role '.repeat(6)}${written}`
        const annotations = {
          [statusAnnotations.lastFailure]: round % 2 === 1 ? text : null,
          [statusAnnotations.lastCheck]: new Date().toISOString(),
        }
        await kube.patch(resources.secretProviderClassPodStatuses, { namespace, name }, { metadata: { annotations } })
        written += 1
      },
    )
    return written
  }

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

/** Of what is in use, without garbage. */
async function pageHeap(page: Page): Promise<number> {
  const debug = await page.context().newCDPSession(page)
  await debug.send('HeapProfiler.collectGarbage')
  const { usedSize } = await debug.send('Runtime.getHeapUsage')
  await debug.detach()
  return usedSize / 1024 / 1024
}

function complete(page: Page) {
  return page.waitForSelector('html[data-complete=true]', { state: 'attached', timeout: 120_000 })
}

function firstRows(page: Page) {
  return page.waitForSelector('#body tr[data-key]', { state: 'attached', timeout: 60_000 })
}

/** Counts what streams of rows send to the page, by the debugger: before any decompression there might be. */
async function countRowBytes(page: Page): Promise<{ takeMegabytes(): number }> {
  const streams = new Set<string>()
  let bytes = 0
  const debug = await page.context().newCDPSession(page)
  await debug.send('Network.enable')
  debug.on('Network.responseReceived', ({ requestId, response }) => {
    if (response.url.includes('/api/rows/')) streams.add(requestId)
  })
  debug.on('Network.dataReceived', ({ requestId, dataLength }) => {
    if (streams.has(requestId)) bytes += dataLength
  })
  return {
    takeMegabytes() {
      const taken = bytes / 1_000_000
      bytes = 0
      return taken
    },
  }
}

/** From the navigation to the first rows that are painted, by the page's own clock. */
async function timePaint(page: Page, url: string): Promise<number> {
  await page.goto(url, { waitUntil: 'commit' })
  await firstRows(page)
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
