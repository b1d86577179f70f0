import { resolve } from 'node:path'
import { createLog, errorMessage, runUntilSignal } from '../lib/index.ts'
import { type LocalClusterConfig, localClusterConfig, startLocalCluster } from '../local-cluster/index.ts'

/** The local cluster: API server, controllers and node agent in one process. Prints one line of JSON when it is ready. */
const config = configOf(process.argv.slice(2))
if (config === undefined) process.exitCode = 2
else {
  const { logLevel, stateDir, ...options } = config
  const log = createLog({ name: 'local-cluster', level: logLevel })
  const start = async () => {
    const cluster = await startLocalCluster({ ...options, stateDir: resolve(stateDir), log })
    const { server, kubeconfig, ca, issuer, kubeletRoot } = cluster
    process.stdout.write(`${JSON.stringify({ ready: true, server, kubeconfig, ca, issuer, kubeletRoot })}\n`)
    return cluster
  }
  process.exitCode = await runUntilSignal(start, log)
}

function configOf(argv: readonly string[]): LocalClusterConfig | undefined {
  try {
    return localClusterConfig(argv)
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return undefined
  }
}
