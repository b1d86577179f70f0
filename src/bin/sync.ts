import { endWhenLost, runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { startSyncDaemon, syncProgram } from '#product/sync'

runMain(syncProgram, (config, env) => {
  const log = createLog({ name: 'sync', level: config.logLevel })
  return runUntilSignal(() => startSyncDaemon(config, { env, log, onLost: endWhenLost(log) }), log)
})
