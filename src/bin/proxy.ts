import { createLog, errorMessage, runUntilSignal } from '../lib/index.ts'
import { awaitReady, startProxy } from '../proxy/index.ts'
import { type ProxyCommand, proxyConfig } from './proxy-config.ts'
import { workloadIdentityBuild } from './workload-identity-build.ts'

/** The proxy sidecar. Exit status 2 for a wrong command line, 1 when it cannot start or, with --probe, does not answer. */
async function main(): Promise<number> {
  const command = parseOrExplain()
  if (command === undefined) return 2
  if (command.kind === 'version') {
    process.stdout.write(`${JSON.stringify(workloadIdentityBuild)}\n`)
    return 0
  }
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
    await awaitReady(port)
    return 0
  } catch (error) {
    process.stderr.write(`proxy: not ready: ${errorMessage(error)}\n`)
    return 1
  }
}

function parseOrExplain(): ProxyCommand | undefined {
  try {
    return proxyConfig(process.argv.slice(2), process.env)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}

// Not a top-level await: the image holds this program as one CommonJS file, which has none.
void main().then((status) => {
  process.exitCode = status
})
