import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { notifyProgram, startNotifyDaemon } from '#product/notify'

runMain(notifyProgram, (config) => {
  const log = createLog({ name: 'notify', level: config.logLevel })
  const exit = (code: number) => process.exit(code)
  return runUntilSignal(() => startNotifyDaemon(config, { log, exit }), log)
})
