import { runMain } from '#daemon'
import { createLog, runUntilSignal } from '#lib'
import { providerProgram, startProvider } from '#product/provider'

runMain(providerProgram, (config) => {
  const log = createLog({ name: 'provider', level: config.logLevel })
  return runUntilSignal(() => startProvider({ ...config, log }), log)
})
