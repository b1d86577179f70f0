import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { operatorProgram, startOperatorDaemon } from '#product/operator'

runMain(operatorProgram, (config, env) => {
  const log = createLog({ name: 'operator', level: config.logLevel })
  const onLost = () => {
    log.fatal('another replica may lead now')
    process.exit(1)
  }
  return runUntilSignal(() => startOperatorDaemon(config, { env, log, onLost }), log)
})
