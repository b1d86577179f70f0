import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { runMain } from '#daemon'
import { loadedWhenUsed, localAzureProgram, startLocalAzure } from '#lab/azure'
import { createLog, runUntilSignal } from '#lib'
import { defaultsInCluster, packageCharts, publicChartSites } from '#packaging/charts'
import { packagePlaces } from '#packaging/places'

/** Prints one line of JSON when the local Azure is ready. */
runMain(localAzureProgram, ({ logLevel, clustersHome, ...options }, env) => {
  const log = createLog({ name: 'local-azure', level: logLevel })
  const places = packagePlaces(env)
  // The charts at the addresses of upstream's, with what each cluster of the lab needs as defaults.
  const directory = join(places.packageRoot, 'charts')
  const sites = publicChartSites(() => packageCharts({ directory, defaults: defaultsInCluster() }))
  // A local Azure by itself needs nothing of the lab's home.
  const clusterBackend =
    clustersHome === undefined
      ? undefined
      : loadedWhenUsed(async () => (await import('#lab/home')).loadLabClusters(clustersHome, { env, ...places }))
  const start = async () => {
    const azure = await startLocalAzure({ ...options, clusterBackend, sites, log })
    const { proxyUrl: proxy, imds, caFile: ca, credentialsFile: credentials, controlSocket: control } = azure
    // For the program that is started next, which has files in common with this one.
    flushCompileCache()
    process.stdout.write(`${JSON.stringify({ ready: true, proxy, imds, ca, credentials, control })}\n`)
    return azure
  }
  return runUntilSignal(start, log)
})
