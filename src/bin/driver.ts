import { driverConfig } from '../driver/index.ts'
import { createLog, errorMessage, runUntilSignal } from '../lib/index.ts'
import { driverBuild, startDriverDaemon } from './driver-daemon.ts'

/** The CSI driver of a node. Flags: see driver-config.ts. */
async function main(): Promise<number> {
  const config = parseOrExplain()
  if (config === undefined) return 2
  if (config.printVersion) {
    process.stdout.write(`${JSON.stringify(driverBuild)}\n`)
    return 0
  }
  const log = createLog({ name: 'driver', level: config.logLevel })
  return runUntilSignal(() => startDriverDaemon(config, log), log)
}

function parseOrExplain() {
  try {
    return driverConfig(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}

// Not a top-level await: the image holds this program as one CommonJS file, which has none.
void main().then((status) => {
  process.exitCode = status
})
