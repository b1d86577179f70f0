import { readFileSync } from 'node:fs'
import { runMain } from '#daemon'
import { createLog, errorMessage, runProgram } from '#lib'
import { proxyInitProgram, redirectMetadata } from '#product/proxy'

runMain(proxyInitProgram, async (redirection) => {
  const log = createLog({ name: 'proxy-init' })
  try {
    const processStatus = readFileSync('/proc/self/status', 'utf8')
    await redirectMetadata(redirection, { run: runProgram, processStatus, log })
    return 0
  } catch (error) {
    log.fatal(errorMessage(error))
    return 1
  }
})
