import { createKubeClient, inClusterConfig, type KubeConfig, loadKubeconfig } from '../kube/index.ts'
import { createLog, errorMessage, type Log, runUntilSignal } from '../lib/index.ts'
import { startWebhook } from '../webhook/index.ts'
import { type ControllerCommand, controllerConfig } from './controller-config.ts'
import { workloadIdentityBuild, workloadIdentityUserAgent } from './workload-identity-build.ts'

type ServeCommand = Extract<ControllerCommand, { kind: 'serve' }>

/** The workload identity webhook. Exit status 2 for a wrong command line, 1 when it cannot start. */
async function main(): Promise<number> {
  const command = parseOrExplain()
  if (command === undefined) return 2
  if (command.kind === 'version') {
    process.stdout.write(`${JSON.stringify(workloadIdentityBuild)}\n`)
    return 0
  }
  const log = createLog({ name: 'webhook', level: command.logLevel })
  // Longer than the time in which it drains.
  return runUntilSignal(() => start(command, log), log, command.webhook.drainMs + 10_000)
}

async function start({ kubeconfig, webhook }: ServeCommand, log: Log) {
  const kube = createKubeClient(kubeConfig(kubeconfig), { userAgent: workloadIdentityUserAgent('webhook') })
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
