/** Prometheus and promtool, unmodified: Debian's package `prometheus`. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { stringify } from 'yaml'
import { until } from '../support/eventually.ts'
import { findProgram } from '../support/find-program.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

export const promtool = findProgram('promtool', 'KEYMOUNT_PROMTOOL')
const program = findProgram('prometheus', 'KEYMOUNT_PROMETHEUS')

/** Options of a test that needs both: skipped, with the reason, where they are not installed. */
export const needsPrometheus =
  program === undefined || promtool === undefined
    ? {
        skip: 'prometheus or promtool not found: install the package, or name them in KEYMOUNT_PROMETHEUS and KEYMOUNT_PROMTOOL',
      }
    : {}

/** What is scraped, with the labels that a scrape configuration adds. */
export interface Target {
  app: string
  node?: string
  port: number
}

export interface Series {
  metric: Record<string, string>
  value: number
}

export interface TestPrometheus {
  /** The value of an expression now: a vector. Rejects with what is wrong with it. */
  query(expression: string): Promise<Series[]>
  /** The alerts that fire: their labels. */
  firing(): Promise<Record<string, string>[]>
}

/** Starts one on loopback, which scrapes twice a second and evaluates the rules as often. It stops with the test. */
export async function startPrometheus(
  t: TestContext,
  { targets, rules }: { targets: readonly Target[]; rules: string },
): Promise<TestPrometheus> {
  const directory = temporaryDirectory(t, 'prometheus-')
  writeFileSync(join(directory, 'rules.yaml'), rules)
  writeFileSync(join(directory, 'prometheus.yaml'), stringify(configuration(targets)))
  const port = await freePort()
  const child = spawn(
    program ?? 'prometheus',
    [
      `--config.file=${join(directory, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, GOMAXPROCS: '1' } },
  )
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString('utf8')
  })
  t.after(async () => {
    if (child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  })
  const base = `http://127.0.0.1:${port}`
  await until('Prometheus to be ready', async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended: ${log}`)
    return (await fetch(`${base}/-/ready`).catch(() => undefined))?.ok === true
  })
  return {
    async query(expression) {
      const response = await fetch(`${base}/api/v1/query?${new URLSearchParams({ query: expression })}`)
      const answer = (await response.json()) as QueryAnswer
      if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error ?? response.status}`)
      return (answer.data?.result ?? []).map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
    },
    async firing() {
      const { data } = (await (await fetch(`${base}/api/v1/alerts`)).json()) as AlertsAnswer
      return data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels)
    },
  }
}

interface QueryAnswer {
  status: string
  error?: string
  data?: { result: { metric: Record<string, string>; value: [number, string] }[] }
}

interface AlertsAnswer {
  data: { alerts: { state: string; labels: Record<string, string> }[] }
}

/** As docs/monitoring.md scrapes, without Kubernetes. */
function configuration(targets: readonly Target[]) {
  return {
    global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
    rule_files: ['rules.yaml'],
    scrape_configs: [
      {
        job_name: 'keymount',
        honor_labels: true,
        static_configs: targets.map(({ app, node = 'node-1', port }) => ({
          targets: [`127.0.0.1:${port}`],
          labels: { app, node },
        })),
      },
    ],
  }
}
