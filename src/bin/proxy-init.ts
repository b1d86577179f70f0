import { readFileSync } from 'node:fs'
import { runMain } from '#daemon'
import { createRunProgram } from '#kubernetes/netfilter'
import { createLog, errorMessage } from '#lib'
import { proxyInitProgram, redirectMetadata } from '#product/proxy'

runMain(proxyInitProgram, async (redirection) => {
  const log = createLog({ name: 'proxy-init' })
  // No other process changes the rules of this pod, and its root file system is read-only: no lock file is needed.
  const run = createRunProgram({ XTABLES_LOCKFILE: '/dev/null' })
  try {
    await redirectMetadata(redirection, { run, processStatus: readFileSync('/proc/self/status', 'utf8'), log })
    return 0
  } catch (error) {
    log.fatal(errorMessage(error))
    return 1
  }
})
