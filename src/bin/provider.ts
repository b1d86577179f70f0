import { buildVersion, printLine, runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { type ProviderCommand, providerConfig, startProvider } from '#product/provider'

/** The provider daemon. Exit status 2 for a wrong command line, 1 when it cannot start. */
async function main(command: ProviderCommand): Promise<number> {
  if (command.kind === 'version') {
    const buildDate = process.env['KEYMOUNT_BUILD_DATE'] ?? ''
    return printLine(JSON.stringify({ version: buildVersion, buildDate }))
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

runMain(providerConfig, main)
