import { printLine, runMain } from '#daemon'
import { createLog, type Running, runUntilSignal } from '#lib'
import { driverBuild, startDriverDaemon } from '#product/driver'
import { type NodeConfig, nodeConfig } from '#product/node'
import { startProvider } from '#product/provider'

/**
 * Driver and provider of a node in one process: less memory, and no wall between what is privileged and what reads from
 * the network. They still meet at the socket. Flags: see node-config.ts.
 */
async function main(config: NodeConfig): Promise<number> {
  if (config.driver.printVersion) return printLine(JSON.stringify(driverBuild))
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

runMain(nodeConfig, main)
