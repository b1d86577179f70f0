import { printLine, runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { type DriverConfig, driverBuild, driverConfig, startDriverDaemon } from '#product/driver'

/** The CSI driver of a node. Flags: see driver-config.ts. */
async function main(config: DriverConfig): Promise<number> {
  if (config.printVersion) return printLine(JSON.stringify(driverBuild))
  const log = createLog({ name: 'driver', level: config.logLevel })
  return runUntilSignal(() => startDriverDaemon(config, log), log)
}

runMain(driverConfig, main)
