import { type DriverConfig, driverConfig } from '../driver/index.ts'
import { createLog, runUntilSignal } from '../lib/index.ts'
import { driverBuild, startDriverDaemon } from './driver-daemon.ts'
import { printLine, runMain } from './run-main.ts'

/** The CSI driver of a node. Flags: see driver-config.ts. */
async function main(config: DriverConfig): Promise<number> {
  if (config.printVersion) return printLine(JSON.stringify(driverBuild))
  const log = createLog({ name: 'driver', level: config.logLevel })
  return runUntilSignal(() => startDriverDaemon(config, log), log)
}

runMain(driverConfig, main)
