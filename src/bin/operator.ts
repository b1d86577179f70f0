import { endWhenLost, runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { operatorProgram, startOperatorDaemon } from '#product/operator'

runMain(operatorProgram, (config, env) => {
  const log = createLog({ name: 'operator', level: config.logLevel })
  return runUntilSignal(() => startOperatorDaemon(config, { env, log, onLost: endWhenLost(log) }), log)
})
