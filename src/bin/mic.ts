import { endWhenLost, runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { micProgram, startMicDaemon } from '#product/pod-identity'

runMain(micProgram, (config, env) => {
  const log = createLog({ name: 'mic', level: config.logLevel })
  // An update of a scale set that has begun is awaited.
  return runUntilSignal(() => startMicDaemon(config, { env, log, onLost: endWhenLost(log) }), log, 60_000)
})
