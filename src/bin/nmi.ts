import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { nmiProgram, startNmiDaemon } from '#product/pod-identity'

runMain(nmiProgram, (config, env) => {
  const log = createLog({ name: 'nmi', level: config.logLevel })
  return runUntilSignal(() => startNmiDaemon(config, env, log), log)
})
