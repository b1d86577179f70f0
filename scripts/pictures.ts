// Makes the pictures of docs/pictures: the dashboard of a local cluster with an invented fleet, and the output of `keymount demo`.
//
//   node bin/node.mjs scripts/pictures.ts [--only dashboard|demo]
import { spawnSync } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Browser } from 'playwright-core'
import { createKubeClient, loadKubeconfig, resources } from '#kubernetes/client'
import { createCleanup } from '../bench/support/cleanup.ts'
import { browserMissing, openPage, startBrowser } from '../test/support/browser.ts'
import { openDashboard } from '../test/support/dashboard.ts'
import { createFleet } from '../test/support/dashboard-fleet.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { cliCommand, cliEnvironment } from '../test/support/run-cli.ts'

const directory = join(import.meta.dirname, '../docs/pictures')
/** Larger ones would slow down the page that shows them. */
const maxBytes = 300 * 1024

interface Shot {
  name: string
  path: string
  colorScheme?: 'light' | 'dark'
  viewport?: { width: number; height: number }
  keys?: readonly string[]
  /** Words of the row that is opened. */
  row?: string
}

const shots: readonly Shot[] = [
  { name: 'volumes', path: '/volumes' },
  { name: 'problems-dark', path: '/problems', colorScheme: 'dark', row: 'vault-forbidden' },
  { name: 'objects', path: '/objects', row: 'psp-api-key' },
  { name: 'phone', path: '/volumes', viewport: { width: 390, height: 780 } },
  {
    name: 'phone-details',
    path: '/volumes',
    viewport: { width: 390, height: 780 },
    colorScheme: 'dark',
    row: 'ledger-0',
  },
]

const styles: Readonly<Record<string, string>> = {
  1: 'font-weight:600;color:#fff',
  2: 'color:#8d949c',
  31: 'color:#ff8a80',
  32: 'color:#63c98d',
  36: 'color:#8ab4ff',
}

const clearLine = '\r\u001b[2K'

const { values } = parseArgs({ options: { only: { type: 'string' } } })
if (browserMissing !== false) throw new Error(browserMissing)
mkdirSync(directory, { recursive: true })
const cleanup = createCleanup()
try {
  const browser = await startBrowser(cleanup.t)
  if (values.only !== 'demo') await shootDashboard(browser)
  if (values.only !== 'dashboard') await shootDemo(browser)
} finally {
  await cleanup.run()
}

async function shootDashboard(browser: Browser): Promise<void> {
  const cluster = await startLocalCluster(cleanup.t)
  const kube = createKubeClient(loadKubeconfig(cluster.kubeconfig))
  cleanup.t.after(() => kube.close())
  await createFleet(kube)
  // The machine that the pictures are made on is not part of the fleet.
  await kube.delete(resources.nodes, { name: 'keymount-local' })
  const dashboard = await openDashboard(cleanup.t, cluster.kubeconfig)
  for (const { name, path, colorScheme = 'light', viewport = { width: 1280, height: 800 }, row } of shots) {
    const open = await openPage(browser, dashboard, {
      colorScheme,
      viewport,
      deviceScaleFactor: viewport.width < 500 ? 2 : 1,
    })
    await open.goto(path)
    if (row !== undefined) {
      await open.page.locator('#body tr', { hasText: row }).first().click()
      await open.page.waitForSelector('#panel .facts')
      // The buttons follow when the API server has answered what the user may do.
      await open.page.waitForTimeout(1000)
    }
    await open.page.screenshot({ path: fileOf(name) })
    await open.page.context().close()
    checkSize(name)
  }
}

async function shootDemo(browser: Browser): Promise<void> {
  const text = demoOutput()
  const context = await browser.newContext({ viewport: { width: 940, height: 600 } })
  const page = await context.newPage()
  await page.setContent(terminalPage(`$ keymount demo\n${text}`))
  await page.locator('main').screenshot({ path: fileOf('demo') })
  await context.close()
  checkSize('demo')
}

/** What a terminal of 108 columns shows in the end: of a line that is written again, the last text. */
function demoOutput(): string {
  const [program, entry] = cliCommand
  const command = `stty cols 108 rows 60; exec ${program} ${entry} demo`
  const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    env: { ...cliEnvironment(), TERM: 'xterm', FORCE_COLOR: '1', SHELL: '/bin/sh' },
    encoding: 'utf8',
    timeout: 180_000,
    maxBuffer: 16 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`keymount demo ended with ${status}: ${stdout.slice(-2000)}`)
  const lines = stdout.replaceAll('\r\n', '\n').split('\n')
  return lines
    .map((line) => line.slice(line.lastIndexOf(clearLine) < 0 ? 0 : line.lastIndexOf(clearLine) + clearLine.length))
    .join('\n')
}

function fileOf(name: string): string {
  return join(directory, `${name}.png`)
}

function checkSize(name: string): void {
  const { size } = statSync(fileOf(name))
  console.log(`${name}.png: ${Math.round(size / 1024)} KiB`)
  if (size > maxBytes) throw new Error(`${name}.png has ${size} bytes, at most ${maxBytes} are accepted`)
}

/** The lines of a terminal with their colours, as a page. */
function terminalPage(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const [plain = '', ...codes] = escaped.split('\u001b[')
  const painted = codes.map((part) => {
    const [code = '', ...rest] = part.split('m')
    const style = styles[code]
    return `${style === undefined ? '</span>' : `<span style="${style}">`}${rest.join('m')}`
  })
  return `<!doctype html><meta charset="utf-8"><body style="margin:0;background:#fff">
<main style="margin:0;padding:20px 24px;background:#16181b;color:#d9dce0;width:892px">
<pre style="margin:0;font:13px/1.5 'DejaVu Sans Mono',monospace;white-space:pre-wrap">${[plain, ...painted].join('').trimEnd()}</pre></main>`
}
