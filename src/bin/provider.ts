import { createLog, errorMessage, ProblemsError, runUntilSignal } from '../lib/index.ts'
import { startProvider } from '../provider/index.ts'
import { type ProviderCommand, providerConfig, providerVersion } from './provider-config.ts'

/** The provider daemon. Exit status 2 for a wrong command line, 1 when it cannot start. */
async function main(): Promise<number> {
  let command: ProviderCommand
  try {
    command = providerConfig(process.argv.slice(2), process.env)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return error instanceof ProblemsError ? 2 : 1
  }
  if (command.kind === 'version') {
    const buildDate = process.env['KEYMOUNT_BUILD_DATE'] ?? ''
    process.stdout.write(`${JSON.stringify({ version: providerVersion, buildDate })}\n`)
    return 0
  }
  const log = createLog({ name: 'provider', level: command.logLevel })
  const config = { ...command.config, log }
  if (config.kube === undefined) {
    log.info(
      'no cluster to ask: classes must name clientID and tenantID, and pods share reads only with the same token',
    )
  }
  const start = async () => {
    const running = await startProvider(config)
    log.info({ endpoint: config.endpoint, metricsPort: running.metricsPort, healthPort: running.healthPort }, 'ready')
    return running
  }
  return runUntilSignal(start, log)
}

void main().then((status) => {
  process.exitCode = status
})
