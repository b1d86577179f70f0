import { join } from 'node:path'
import { packagePlaces, printLine, runMain } from '#daemon'
import { type ClusterBackend, type LocalAzureConfig, localAzureConfig, startLocalAzure } from '#lab/azure'
import { createLog, runUntilSignal } from '#lib'
import { type ChartSite, defaultsInCluster, packageCharts, publicChartSites } from '#packaging/charts'

/** The local Azure: Entra, Resource Manager, Graph and Key Vault in one process. Prints one line of JSON when it is ready. */
async function main({ logLevel, clustersHome, ...options }: LocalAzureConfig): Promise<number> {
  const log = createLog({ name: 'local-azure', level: logLevel })
  const start = async () => {
    const clusters = clustersHome === undefined ? {} : { clusterBackend: await clustersOf(clustersHome) }
    const azure = await startLocalAzure({ ...options, ...clusters, sites: chartSites(), log })
    const { proxyUrl: proxy, imds, caFile: ca, credentialsFile: credentials, controlSocket: control } = azure
    printLine(JSON.stringify({ ready: true, proxy, imds, ca, credentials, control }))
    return azure
  }
  return runUntilSignal(start, log)
}

/** Loaded only here: a local Azure by itself needs nothing of the lab. */
async function clustersOf(home: string): Promise<ClusterBackend> {
  const { loadLabClusters } = await import('#lab/home')
  return loadLabClusters(home, { env: process.env, ...packagePlaces(process.env) })
}

/** The charts at the addresses of upstream's, with what each cluster of the lab says of itself. */
function chartSites(): ChartSite[] {
  const directory = join(packagePlaces(process.env).packageRoot, 'charts')
  return publicChartSites(() => packageCharts({ directory, defaults: defaultsInCluster() }))
}

runMain(localAzureConfig, main)
