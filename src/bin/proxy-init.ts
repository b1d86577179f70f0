import { readFileSync } from 'node:fs'
import { printLine, runMain, workloadIdentityBuild } from '#daemon'
import { createRunProgram } from '#kubernetes/netfilter'
import { createLog, errorMessage } from '#lib'
import { type ProxyInitCommand, proxyInitConfig, redirectMetadata } from '#product/proxy'

/** The init step of the proxy sidecar. Exit status 2 for a wrong environment, 1 when nothing could be redirected. */
async function main(command: ProxyInitCommand): Promise<number> {
  if (command.kind === 'version') return printLine(JSON.stringify(workloadIdentityBuild))
  const log = createLog({ name: 'proxy-init' })
  const processStatus = readFileSync('/proc/self/status', 'utf8')
  try {
    await redirectMetadata(command.redirection, { run, processStatus, log })
    return 0
  } catch (error) {
    log.fatal(errorMessage(error))
    return 1
  }
}

/** Nobody else changes the rules of this pod, and its root file system is read-only: no lock file is needed. */
const run = createRunProgram({ XTABLES_LOCKFILE: '/dev/null' })

runMain(proxyInitConfig, main)
