import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createLog, errorCode, errorMessage } from '../lib/index.ts'
import { type ProgramResult, type RunProgram, redirectMetadata } from '../proxy/index.ts'
import { type ProxyInitCommand, proxyInitConfig } from './proxy-init-config.ts'
import { workloadIdentityBuild } from './workload-identity-build.ts'

/** The init step of the proxy sidecar. Exit status 2 for a wrong environment, 1 when nothing could be redirected. */
async function main(): Promise<number> {
  const command = parseOrExplain()
  if (command === undefined) return 2
  if (command.kind === 'version') {
    process.stdout.write(`${JSON.stringify(workloadIdentityBuild)}\n`)
    return 0
  }
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
const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', XTABLES_LOCKFILE: '/dev/null' }

const run: RunProgram = (program, words, input) =>
  new Promise<ProgramResult>((resolve, reject) => {
    const child = spawn(program, words, { env: environment, stdio: ['pipe', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', (error) => {
      if (errorCode(error) === 'ENOENT') resolve({ status: undefined, stderr: '' })
      else reject(error)
    })
    child.on('close', (code, signal) =>
      resolve({ status: code ?? 1, stderr: signal === null ? stderr : `ended by ${signal}` }),
    )
    // A program that refuses its command line does not read.
    child.stdin.on('error', () => undefined).end(input)
  })

function parseOrExplain(): ProxyInitCommand | undefined {
  try {
    return proxyInitConfig(process.argv.slice(2), process.env)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}

// Not a top-level await: the image holds this program as one CommonJS file, which has none.
void main().then((status) => {
  process.exitCode = status
})
