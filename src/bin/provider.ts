import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { providerProgram, startProviderDaemon } from '#product/provider'

runMain(providerProgram, (config, env) => {
  const log = createLog({ name: 'provider', level: config.logLevel })
  return runUntilSignal(() => startProviderDaemon({ ...config, log }, env), log)
})
