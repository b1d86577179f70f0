import { buildVersion } from '#daemon'
import type { Log, Running } from '#lib'
import { createHttpClient, serveMetrics } from '#lib/http'
import type { NotifyProgramConfig } from './config.ts'
import { createNotifyMetrics } from './notify-metrics.ts'
import { startNotify } from './start-notify.ts'

export interface RunningNotify extends Running {
  metricsPort: number | undefined
}

const postTimeoutMs = 10_000

/** The sidecar. @param exit ends the process with a status: the action of `--exit-code`. */
export async function startNotifyDaemon(
  { notify, metricsAddress }: NotifyProgramConfig,
  { log, exit }: { log: Log; exit(code: number): void },
): Promise<RunningNotify> {
  await using started = new AsyncDisposableStack()
  const metrics = createNotifyMetrics()
  const http = createHttpClient()
  started.defer(() => http.stop())
  const post = async (url: string, signal: AbortSignal) => {
    const headers = { 'user-agent': `keymount/notify/${buildVersion}` }
    const { status } = await http.send({ method: 'POST', url: new URL(url), headers, signal, timeoutMs: postTimeoutMs })
    return status
  }
  const metricsServer = metricsAddress && (await serveMetrics(metricsAddress, metrics.text))
  if (metricsServer !== undefined) started.defer(metricsServer.stop)
  const running = startNotify(notify, { metrics, log, post, exit })
  started.defer(() => running.stop())
  // Neither watches nor timers keep a process alive.
  const alive = setInterval(() => {}, 60_000)
  started.defer(() => clearInterval(alive))
  log.info({ watch: notify.watch, metricsPort: metricsServer?.port }, 'ready')
  const all = started.move()
  return { metricsPort: metricsServer?.port, stop: () => all.disposeAsync() }
}
