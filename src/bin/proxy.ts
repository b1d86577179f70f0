import { printLine, runMain, workloadIdentityBuild } from '#daemon'
import { createLog, errorMessage, runUntilSignal } from '#lib'
import { awaitReady, type ProxyCommand, proxyConfig, startProxy } from '#product/proxy'

/** The proxy sidecar. Exit status 2 for a wrong command line, 1 when it cannot start or, with --probe, does not answer. */
async function main(command: ProxyCommand): Promise<number> {
  if (command.kind === 'version') return printLine(JSON.stringify(workloadIdentityBuild))
  if (command.kind === 'probe') return probe(command.port)
  const log = createLog({ name: 'proxy', level: command.logLevel })
  const { config } = command
  const start = async () => {
    const running = await startProxy(config, { log })
    log.info({ port: running.port, tenantId: config.tenantId, clientId: config.clientId }, 'listening')
    return running
  }
  return runUntilSignal(start, log)
}

async function probe(port: number): Promise<number> {
  try {
    await awaitReady({ port })
    return 0
  } catch (error) {
    process.stderr.write(`proxy: not ready: ${errorMessage(error)}\n`)
    return 1
  }
}

runMain(proxyConfig, main)
