import { createKubeClient, inClusterConfig, type KubeConfig, loadKubeconfig } from '../kube/index.ts'
import { createLog, errorMessage, type Log, runUntilSignal } from '../lib/index.ts'
import { startWebhook } from '../webhook/index.ts'
import { type ControllerCommand, controllerConfig, controllerVersion } from './controller-config.ts'

type ServeCommand = Extract<ControllerCommand, { kind: 'serve' }>

/** The workload identity webhook. Exit status 2 for a wrong command line, 1 when it cannot start. */
async function main(): Promise<number> {
  const command = parseOrExplain()
  if (command === undefined) return 2
  if (command.kind === 'version') {
    process.stdout.write(`${JSON.stringify(build())}\n`)
    return 0
  }
  const log = createLog({ name: 'webhook', level: command.logLevel })
  // Longer than the time in which it drains.
  return runUntilSignal(() => start(command, log), log, command.webhook.drainMs + 10_000)
}

async function start({ kubeconfig, webhook }: ServeCommand, log: Log) {
  const kube = createKubeClient(kubeConfig(kubeconfig), { userAgent: userAgent() })
  const running = await startWebhook(webhook, { kube, log })
  const { port, healthPort, metricsPort } = running
  log.info({ port, healthPort, metricsPort }, 'listening')
  return {
    async stop() {
      await running.stop()
      kube.close()
    },
  }
}

/** Commit and date are set by the image build; empty when run from the sources. */
function build() {
  return {
    buildVersion: controllerVersion,
    gitCommit: process.env['KEYMOUNT_COMMIT'] ?? '',
    buildDate: process.env['KEYMOUNT_BUILD_DATE'] ?? '',
    nodeVersion: process.version,
    platform: `${process.platform}/${process.arch}`,
  }
}

function userAgent(): string {
  const { buildVersion, gitCommit, buildDate, platform } = build()
  return `azure-workload-identity/webhook/${buildVersion} (${platform}) ${gitCommit}/${buildDate}`
}

function kubeConfig(path: string): KubeConfig {
  if (path !== '') return loadKubeconfig(path, { environment: process.env })
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
  if (host === undefined || port === undefined) {
    throw new Error('no cluster to speak to: give --kubeconfig or KUBECONFIG, or run in a pod')
  }
  return inClusterConfig({ host, port })
}

function parseOrExplain(): ControllerCommand | undefined {
  try {
    return controllerConfig(process.argv.slice(2), process.env)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}

// Not a top-level await: the image holds this program as one CommonJS file, which has none.
void main().then((status) => {
  process.exitCode = status
})
