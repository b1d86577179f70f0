/**
 * A cluster with 3,000 SecretSyncs of one secret each, in ten namespaces, and a vault that answers after 30 ms: until all are
 * Ready, then four minutes of rest. Controller, provider and local Azure are processes of their own, the controller as in the
 * image; this process is the API server. Prints figures beside the aims. The last line is JSON.
 *
 *   node bin/node.mjs bench/secret-sync.ts [--syncs 3000] [--rest 240]
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  createKubeClient,
  isConflict,
  type KubeClient,
  loadKubeconfig,
  resources,
  type SecretSync,
} from '#kubernetes/client'
import { sleep } from '#lib'
import { forEachLimited } from '#lib/async'
import { customResourceDefinitions, secretSyncDefinition } from '../test/support/custom-resources.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { memoryMib } from '../test/support/process-memory.ts'
import { objectsOf } from '../test/support/provider.ts'
import { startProviderLabProcess } from '../test/support/provider-lab.ts'
import { createCleanup } from './support/cleanup.ts'
import { bundled } from './support/driver-bundle.ts'
import { benchOptions } from './support/options.ts'
import { startProviderDaemon } from './support/provider-daemon.ts'
import { createFigures, rounded } from './support/statistics.ts'

const { syncs: count, rest: restSeconds } = benchOptions({ syncs: 3000, rest: 240 })
const vaultDelayMs = 30
const namespaces = Array.from({ length: 10 }, (_, i) => `team-${i}`)
const keyvaultName = 'bench-vault'
const namesOf = (index: number) => ({ namespace: namespaces[index % namespaces.length] ?? '', name: `app-${index}` })
const indices = Array.from({ length: count }, (_, i) => i)

const { record, json } = createFigures()

const cleanup = createCleanup()
try {
  // In memory: the disk of this machine is not what is measured.
  const stateDir = mkdtempSync('/dev/shm/keymount-bench-')
  cleanup.t.after(() => rmSync(stateDir, { recursive: true, force: true }))
  const cluster = await startLocalCluster(cleanup.t, { stateDir })
  const issuerCa = join(cluster.stateDir, 'pki', 'ca.crt')
  const azure = await startProviderLabProcess(cleanup.t, { issuerCaFiles: [issuerCa] })
  const { clientId } = await azure.createReadableVault(keyvaultName).then(async (identity) => {
    for (const namespace of namespaces) {
      const subject = `system:serviceaccount:${namespace}:app`
      await azure.azure.federate(identity, { issuer: cluster.issuer, subject })
    }
    return identity
  })
  const kube = createKubeClient(loadKubeconfig(cluster.kubeconfig))
  cleanup.t.after(() => kube.close())
  console.log(`(${count} secrets and classes are made first)`)
  await forEachLimited(indices, 8, (i) => azure.azure.setSecret(keyvaultName, `secret-${i}`, `value of ${i}`))
  await createObjects(kube, { clientId, tenantId: azure.azure.administrator.tenantId })
  await azure.azure.control('PUT', '/delay', { ms: vaultDelayMs })
  const provider = await startProviderDaemon(cleanup.t, azure)
  const controller = await startController(cluster.kubeconfig, dirname(provider.socket))
  await sleep(2000)

  const startedAt = performance.now()
  const cpuAtStart = { controller: controller.cpuMs(), server: process.cpuUsage() }
  await forEachLimited(indices, 16, (i) => createSync(kube, i))
  const createdAt = performance.now()
  await untilAll(kube, ({ status }) =>
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
  )
  const seconds = (performance.now() - startedAt) / 1000
  console.log(`(creating ${count} SecretSyncs took ${rounded((createdAt - startedAt) / 1000)} s of it)`)
  record(`${count} SecretSyncs Ready, s`, seconds, '< 60')
  record('CPU of the controller until then, s', (controller.cpuMs() - cpuAtStart.controller) / 1000, '-')
  const { user, system } = process.cpuUsage(cpuAtStart.server)
  record('CPU of the API server (this process) until then, s', (user + system) / 1_000_000, '-')
  record('memory of the controller then, MiB', memoryMib(controller.pid).pss, '<= 150')

  // Hashes that were put off while many waited are written at one of the next checks.
  await untilAll(kube, ({ status }) => status?.syncHash !== undefined)
  await sleep(5000)
  const before = await stateOf(kube)
  const cpuBefore = { controller: controller.cpuMs(), provider: provider.cpuMs() }
  const reads = await sampleReads(controller.metrics, restSeconds)
  const cpu = (now: number, then: number) => (now - then) / restSeconds
  record('CPU of the controller at rest, millicores', cpu(controller.cpuMs(), cpuBefore.controller), '<= 200')
  record('CPU of the provider at rest, millicores', cpu(provider.cpuMs(), cpuBefore.provider), '-')
  record('memory of the controller at rest, MiB', memoryMib(controller.pid).pss, '<= 150')
  record('reads a second, mean', reads.mean, String(rounded(count / 120)))
  record('reads a second, highest of five seconds, over the mean', reads.highest / reads.mean, '<= 2')
  record('objects that were written at rest', changesBetween(before, await stateOf(kube)), '0')
} finally {
  await cleanup.run()
}
console.log(json())

async function createObjects(kube: KubeClient, identity: { clientId: string; tenantId: string }): Promise<void> {
  for (const definition of [...customResourceDefinitions, secretSyncDefinition])
    await kube.create(resources.customResourceDefinitions, definition).catch((error: unknown) => {
      if (!isConflict(error)) throw error
    })
  for (const name of namespaces) {
    await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    const metadata = { name: 'app', namespace: name }
    await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  }
  await forEachLimited(indices, 16, async (i) => {
    await kube.create(resources.secretProviderClasses, {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      metadata: namesOf(i),
      spec: {
        provider: 'azure',
        parameters: {
          keyvaultName,
          clientID: identity.clientId,
          tenantId: identity.tenantId,
          objects: objectsOf({ objectName: `secret-${i}`, objectType: 'secret' }),
        },
      },
    })
  })
}

async function createSync(kube: KubeClient, index: number): Promise<void> {
  const { namespace, name } = namesOf(index)
  await kube.create(resources.secretSyncs, {
    apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
    kind: 'SecretSync',
    metadata: { namespace, name },
    spec: {
      secretProviderClassName: name,
      serviceAccountName: 'app',
      secretObject: { type: 'Opaque', data: [{ sourcePath: `secret-${index}`, targetKey: 'password' }] },
    },
  })
}

async function untilAll(kube: KubeClient, is: (sync: SecretSync) => boolean | undefined): Promise<void> {
  for (const deadline = Date.now() + 600_000; Date.now() < deadline; await sleep(1000)) {
    const { items } = await kube.list(resources.secretSyncs)
    if (items.filter((sync) => is(sync) === true).length === count) return
  }
  throw new Error('not all SecretSyncs were done within ten minutes')
}

async function stateOf(kube: KubeClient): Promise<Map<string, string>> {
  const lists = [
    await kube.list(resources.secretSyncs),
    await kube.list(resources.secrets),
    await kube.list(resources.secretProviderClasses),
    await kube.list(resources.events),
  ]
  const objects = lists.flatMap(({ items }) => items.map(({ kind, metadata }) => ({ kind, metadata })))
  return new Map(objects.map(({ metadata }) => [metadata.uid ?? '', metadata.resourceVersion ?? '']))
}

function changesBetween(before: Map<string, string>, after: Map<string, string>): number {
  return [...after].filter(([uid, version]) => before.get(uid) !== version).length
}

/** Reads of the controller a second, in windows of five. */
async function sampleReads(
  metrics: () => Promise<string>,
  seconds: number,
): Promise<{ mean: number; highest: number }> {
  const readsNow = async () => Number(/^secretsync_provider_reads_total (\d+)$/m.exec(await metrics())?.[1] ?? 0)
  const samples = [{ at: performance.now(), reads: await readsNow() }]
  while (performance.now() - (samples[0]?.at ?? 0) < seconds * 1000) {
    await sleep(5000)
    samples.push({ at: performance.now(), reads: await readsNow() })
  }
  const rate = (from: (typeof samples)[number], to: (typeof samples)[number]) =>
    ((to.reads - from.reads) * 1000) / (to.at - from.at)
  const rates = samples.slice(1).map((sample, i) => rate(samples[i] ?? sample, sample))
  const [first, last] = [samples[0], samples.at(-1)]
  return { mean: first && last ? rate(first, last) : 0, highest: Math.max(...rates) }
}

async function startController(kubeconfig: string, providers: string) {
  const { command, remove } = await bundled('sync')
  cleanup.t.after(remove)
  const flags = [
    `--kubeconfig=${kubeconfig}`,
    `--provider-volume=${providers}`,
    '--metrics-bind-address=127.0.0.1:0',
    '--health-probe-bind-address=0',
  ]
  const [program = '', ...args] = command
  const child = spawn(program, [...args, ...flags], {
    env: { PATH: process.env.PATH, MALLOC_ARENA_MAX: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ready = Promise.withResolvers<number>()
  let output = ''
  child.stderr.on('data', (text: Buffer) => {
    output = (output + text.toString()).slice(-4000)
    const port = /"metricsPort":(\d+)/.exec(output)?.[1]
    if (port !== undefined) ready.resolve(Number(port))
  })
  child.once('exit', () => ready.reject(new Error(`the controller ended: ${output}`)))
  cleanup.t.after(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve))
  })
  const port = await ready.promise
  const pid = child.pid ?? 0
  return {
    pid,
    metrics: async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    cpuMs() {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) * 10
    },
  }
}
