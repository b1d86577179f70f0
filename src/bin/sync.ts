import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { startSyncDaemon, syncProgram } from '#product/sync'

runMain(syncProgram, (config, env) => {
  const log = createLog({ name: 'sync', level: config.logLevel })
  const onLost = () => {
    log.fatal('another replica may lead now')
    process.exit(1)
  }
  return runUntilSignal(() => startSyncDaemon(config, { env, log, onLost }), log)
})
