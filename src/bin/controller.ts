import { setFlagsFromString } from 'node:v8'
import { clusterConfig, printLine, runMain, workloadIdentityBuild, workloadIdentityUserAgent } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import { createLog, type Log, runUntilSignal } from '#lib'
import { type ControllerCommand, controllerConfig, startWebhook } from '#product/webhook'

type ServeCommand = Extract<ControllerCommand, { kind: 'serve' }>

/** The workload identity webhook. Exit status 2 for a wrong command line, 1 when it cannot start. */
async function main(command: ControllerCommand): Promise<number> {
  if (command.kind === 'version') return printLine(JSON.stringify(workloadIdentityBuild))
  staySmall()
  const log = createLog({ name: 'webhook', level: command.logLevel })
  // Longer than the time in which it drains.
  return runUntilSignal(() => start(command, log), log, command.webhook.drainMs + 10_000)
}

/**
 * Without the last of V8's compilers, whose code alone is 4 MiB of resident memory once it has run. What is left is several
 * times faster than anybody makes pods (bench/webhook.ts).
 */
function staySmall(): void {
  setFlagsFromString('--no-opt')
}

async function start({ kubeconfig, webhook }: ServeCommand, log: Log) {
  const kube = createKubeClient(clusterConfig(kubeconfig, process.env), {
    userAgent: workloadIdentityUserAgent('webhook'),
  })
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

runMain(controllerConfig, main)
