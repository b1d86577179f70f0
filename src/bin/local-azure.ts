import { createLog, errorMessage, runUntilSignal } from '../lib/index.ts'
import { type LocalAzureConfig, localAzureConfig, startLocalAzure } from '../local-azure/index.ts'

/** The local Azure: Entra, Resource Manager, Graph and Key Vault in one process. Prints one line of JSON when it is ready. */
const config = configOf(process.argv.slice(2))
if (config === undefined) process.exitCode = 2
else {
  const { logLevel, ...options } = config
  const log = createLog({ name: 'local-azure', level: logLevel })
  const start = async () => {
    const azure = await startLocalAzure({ ...options, log })
    const { proxyUrl: proxy, imds, caFile: ca, credentialsFile: credentials, controlSocket: control } = azure
    process.stdout.write(`${JSON.stringify({ ready: true, proxy, imds, ca, credentials, control })}\n`)
    return azure
  }
  process.exitCode = await runUntilSignal(start, log)
}

function configOf(argv: readonly string[]): LocalAzureConfig | undefined {
  try {
    return localAzureConfig(argv)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}
