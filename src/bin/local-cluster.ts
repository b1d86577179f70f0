import { resolve } from 'node:path'
import { printLine, runMain } from '#daemon'
import { type LocalClusterConfig, localClusterConfig, startLocalCluster } from '#lab/cluster'
import { createLog, runUntilSignal } from '#lib'

/** The local cluster: API server, controllers and node agent in one process. Prints one line of JSON when it is ready. */
async function main({ logLevel, stateDir, ...options }: LocalClusterConfig): Promise<number> {
  const log = createLog({ name: 'local-cluster', level: logLevel })
  const start = async () => {
    const cluster = await startLocalCluster({ ...options, stateDir: resolve(stateDir), log })
    const { server, kubeconfig, ca, issuer, kubeletRoot } = cluster
    printLine(JSON.stringify({ ready: true, server, kubeconfig, ca, issuer, kubeletRoot }))
    return cluster
  }
  return runUntilSignal(start, log)
}

runMain(localClusterConfig, main)
