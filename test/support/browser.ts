import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { TestContext } from 'node:test'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { OpenDashboard } from './dashboard.ts'

const executablePath = process.env.KEYMOUNT_CHROMIUM ?? '/usr/bin/chromium'

/** Why tests with a browser are skipped, when they are; `.ci/run` installs it. */
export const browserMissing = existsSync(executablePath)
  ? false
  : `there is no ${executablePath}: apt-get install chromium, or name another with KEYMOUNT_CHROMIUM`

export async function startBrowser(t: Pick<TestContext, 'after'>): Promise<Browser> {
  // Tests run as root in containers, where Chromium's own sandbox does not start. They open no page but their own.
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  t.after(() => browser.close())
  return browser
}

/** A page of the dashboard, signed in by its address, with all rows there. Errors of the page fail the test that looks at `errors`. */
export interface DashboardPage {
  page: Page
  errors: string[]
  /** Opens a path with the session that is there. */
  goto(path: string): Promise<void>
}

export async function openPage(
  browser: Browser,
  { url, origin }: Pick<OpenDashboard, 'url' | 'origin'>,
  options: BrowserContextOptions = {},
): Promise<DashboardPage> {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    reducedMotion: 'reduce',
    ...options,
  })
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  const isComplete = () => page.waitForSelector('html[data-complete=true]', { state: 'attached', timeout: 30_000 })
  await page.goto(url)
  await isComplete()
  return {
    page,
    errors,
    async goto(path) {
      await page.goto(`${origin}${path}`)
      await isComplete()
    },
  }
}

interface Violation {
  id: string
  help: string
  nodes: { target: unknown; failureSummary: string }[]
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What the rules of axe find on the page as it is, in words. */
export async function axeViolations(page: Page): Promise<string[]> {
  // By the debugger, which the page's own policy does not restrict.
  await page.evaluate(axe)
  const { violations } = await page.evaluate<{ violations: Violation[] }>('axe.run()')
  return violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}: ${nodes
        .slice(0, 3)
        .map(({ target, failureSummary }) => `${String(target)} ${failureSummary}`)
        .join('; ')}`,
  )
}
