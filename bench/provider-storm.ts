/**
 * Many pods at once on one provider, each with a token of its own from a cluster's API server:
 *
 *   burst   100 pods of one service account mount the same 10 objects at once
 *   ticks   50 such mounts arrive together three times, further apart than a read is shared (as rotations do)
 *   steady  mounts per second with a held token: with shared reads, and with one read per object and mount
 *   memory  of the bundled daemon: idle, after the burst (everything has been used once), and after 1,000 and 4,000 mounts of
 *           10 objects: between the last two it must not grow
 *
 * Upstream's provider on the same kind of machine: burst 1,320 ms, 1,000 reads and 400 sign-in and challenge requests.
 * The last line is JSON.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '#lib'
import { buildBundles } from '../src/packaging/image/build-bundles.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { attributes, objectsOf } from '../test/support/provider.ts'
import { appSubject, startProviderLabProcess } from '../test/support/provider-lab.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { createCleanup } from './support/cleanup.ts'
import { startProviderDaemon } from './support/provider-daemon.ts'

const pods = 100
const keyvaultName = 'bench-vault'
const audience = 'api://AzureADTokenExchange'
/** V8 gives memory back some ten seconds after the last work. */
const quietMs = 15_000

const cleanup = createCleanup()
try {
  const directory = temporaryDirectory(cleanup.t, 'keymount-bench-')
  const cluster = await startLocalCluster(cleanup.t)
  const issuerCaFile = join(directory, 'cluster-ca.pem')
  writeFileSync(issuerCaFile, cluster.ca)
  const lab = await startProviderLabProcess(cleanup.t, { issuerCaFiles: [issuerCaFile] })
  const identity = await lab.createReadableVault(keyvaultName)
  await lab.azure.federate(identity, { issuer: cluster.issuer, subject: appSubject })
  for (let i = 0; i < 1000; i++) await lab.azure.setSecret(keyvaultName, `secret-${i}`, `value of ${i}`)

  const accounts = '/api/v1/namespaces/default/serviceaccounts'
  await cluster.request('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'app' } })
  const requests = await Promise.all(Array.from({ length: pods }, async () => requestWith(await newToken(), 0)))
  await lab.azure.control('PUT', '/delay', { ms: 30 })

  await buildBundles({ root: join(import.meta.dirname, '..'), out: directory, node: process.execPath })
  const program = [join(directory, 'start.cjs'), 'provider']
  const flags = [`--kubeconfig=${cluster.kubeconfig}`]
  const daemon = await startProviderDaemon(cleanup.t, lab, { program, flags })
  await sleep(3000)
  const idle = daemon.memory()

  await lab.takeCounts()
  const burstMs = await timed(() => Promise.all(requests.map(daemon.mount)))
  const burst = { ms: burstMs, requests: await lab.takeCounts() }
  console.log(`burst: ${pods} pods × 10 objects in ${burst.ms} ms, ${JSON.stringify(burst.requests)}`)
  await sleep(quietMs)
  const afterBurst = daemon.memory()

  for (let tick = 0; tick < 3; tick++) {
    await sleep(5500)
    await Promise.all(requests.slice(0, 50).map(daemon.mount))
  }
  const ticks = await lab.takeCounts()
  console.log(`ticks: 3 × 50 pods × 10 objects, ${JSON.stringify(ticks)}`)

  const token = await newToken()
  const before = daemon.cpuMs()
  const distinctMs = await timed(async () => {
    for (let i = 0; i < 100; i++) await daemon.mount(requestWith(token, i * 10))
  })
  const mountShared = async (count: number) => {
    for (let i = 0; i < count; i += 20) await Promise.all(requests.slice(0, 20).map(daemon.mount))
  }
  const sharedMs = await timed(() => mountShared(900))
  const cpuMs = daemon.cpuMs() - before
  await sleep(quietMs)
  const after = daemon.memory()
  await mountShared(3000)
  await sleep(quietMs)
  const afterMore = daemon.memory()
  const steady = {
    distinctMountsPerSecond: Math.round(100_000 / distinctMs),
    sharedMountsPerSecond: Math.round(900_000 / sharedMs),
    cpuMsPer1000Mounts: cpuMs,
  }
  console.log('steady:', JSON.stringify(steady))
  const memory = { idle, afterBurst, after1000Mounts: after, after4000Mounts: afterMore }
  console.log('memory (MiB):', JSON.stringify(memory))
  console.log(JSON.stringify({ bench: 'provider-storm', delayMs: 30, burst, ticks, steady, memory }))

  async function newToken(): Promise<string> {
    const spec = { audiences: [audience], expirationSeconds: 3600 }
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }
    return (await cluster.request('POST', `${accounts}/app/token`, body)).body.status.token
  }

  function requestWith(token: string, from: number): { attributes: string } {
    const objects = Array.from({ length: 10 }, (_, i) => ({ objectName: `secret-${from + i}`, objectType: 'secret' }))
    const { tenantId } = lab.azure.administrator
    const parameters = { keyvaultName, tenantID: tenantId, clientID: identity.clientId, objects: objectsOf(...objects) }
    return { attributes: attributes(parameters, { [audience]: token }) }
  }
} finally {
  await cleanup.run()
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await run()
  return Math.round(performance.now() - started)
}
