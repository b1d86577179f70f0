import { createLog, errorMessage, type Running, runUntilSignal } from '../lib/index.ts'
import { startProvider } from '../provider/index.ts'
import { driverBuild, startDriverDaemon } from './driver-daemon.ts'
import { type NodeConfig, nodeConfig } from './node-config.ts'

/**
 * Driver and provider of a node in one process: less memory, and no wall between what is privileged and what reads from
 * the network. They still meet at the socket. Flags: see node-config.ts.
 */
async function main(): Promise<number> {
  const config = parseOrExplain()
  if (config === undefined) return 2
  if (config.driver.printVersion) {
    process.stdout.write(`${JSON.stringify(driverBuild)}\n`)
    return 0
  }
  return runUntilSignal(() => start(config), createLog({ name: 'node' }))
}

/** The provider comes first and goes last: as long as the driver answers kubelet, it has somebody to ask. */
async function start({ driver, provider }: NodeConfig): Promise<Running> {
  const providerLog = createLog({ name: 'provider', level: provider.logLevel })
  const runningProvider = await startProvider({ ...provider.config, log: providerLog })
  try {
    const runningDriver = await startDriverDaemon(driver, createLog({ name: 'driver', level: driver.logLevel }))
    return {
      async stop() {
        await runningDriver.stop()
        await runningProvider.stop()
      },
    }
  } catch (error) {
    await runningProvider.stop()
    throw error
  }
}

function parseOrExplain() {
  try {
    return nodeConfig(process.argv.slice(2), process.env)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}

// Not a top-level await: the image holds this program as one CommonJS file, which has none.
void main().then((status) => {
  process.exitCode = status
})
