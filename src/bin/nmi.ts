import { readFileSync } from 'node:fs'
import { createAcquireToken, createTokenSource } from '../identity/index.ts'
import { createKubeClient } from '../kube/index.ts'
import {
  createHttpClient,
  createLog,
  createRetryingSend,
  errorMessage,
  type Log,
  runUntilSignal,
} from '../lib/index.ts'
import { createRunProgram } from '../netfilter/index.ts'
import { startNmi } from '../pod-identity/index.ts'
import { azureHttp } from './azure-http.ts'
import { clusterConfig } from './cluster-config.ts'
import { type NmiCommand, nmiConfig, nmiVersion } from './nmi-config.ts'

type ServeCommand = Extract<NmiCommand, { kind: 'serve' }>

/** The node endpoint of pod identity. Exit status 2 for a wrong command line, 1 when it cannot start. */
async function main(): Promise<number> {
  const command = parseOrExplain()
  if (command === undefined) return 2
  if (command.kind === 'version') {
    process.stdout.write(`${nmiVersion}\n`)
    return 0
  }
  const log = createLog({ name: 'nmi', level: command.logLevel })
  return runUntilSignal(() => start(command, log), log)
}

async function start({ kubeconfig, nmi, tokenHoldMs }: ServeCommand, log: Log) {
  const out = createHttpClient(azureHttp(process.env))
  const onNode = createHttpClient({ maxSockets: 64 })
  const tokens = createTokenSource({
    acquire: createAcquireToken({
      send: createRetryingSend({ send: out.send }),
      sendOnNode: onNode.send,
      imdsEndpoint: nmi.imdsEndpoint,
    }),
    holdMs: tokenHoldMs,
  })
  const kube = createKubeClient(clusterConfig(kubeconfig, process.env), { userAgent: `keymount/nmi/${nmiVersion}` })
  const running = await startNmi(nmi, {
    kube,
    tokens,
    run: createRunProgram(),
    processStatus: readFileSync('/proc/self/status', 'utf8'),
    log,
  })
  log.info({ port: running.port, healthPort: running.healthPort, metricsPort: running.metricsPort }, 'ready')
  return {
    async stop() {
      await running.stop()
      kube.close()
      out.stop()
      onNode.stop()
    },
  }
}

function parseOrExplain(): NmiCommand | undefined {
  try {
    return nmiConfig(process.argv.slice(2), process.env)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}

// Not a top-level await: the image holds this program as one CommonJS file, which has none.
void main().then((status) => {
  process.exitCode = status
})
