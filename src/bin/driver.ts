import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { driverProgram, startDriverDaemon } from '#product/driver'

runMain(driverProgram, (config, env) => {
  const log = createLog({ name: 'driver', level: config.logLevel })
  return runUntilSignal(() => startDriverDaemon(config, env, log), log)
})
