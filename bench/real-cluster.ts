/**
 * A node of the real cluster that KUBECONFIG names, which must run on this machine (memory is read from /proc): memory of
 * driver and provider idle, with 50 volumes of 10 objects and after some quiet minutes, the time from 50 new pods to all of
 * them Ready with an Azure that answers at once and one that takes 30 ms, requests in the quiet minutes, and the time from a
 * changed secret to the files of three pods, all with the chart's defaults; once with two processes and once with the one of
 * `combined`. Needs helm, the variables of the cluster (KUBELET_ROOT, NODE_HOST), and the image of this source on the node.
 * The last line is JSON.
 *
 *   node bench/real-cluster.ts [--quiet-minutes 6] [--changes 3] [--pods 50] [--only two|combined]
 */

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { resources } from '#kubernetes/client'
import { sleep } from '#lib'
import { createHelmRelease, type HelmRelease } from '../test/support/helm-release.ts'
import { memoryMib } from '../test/support/process-memory.ts'
import { createCleanup } from './support/cleanup.ts'
import { benchOptions } from './support/options.ts'
import { rounded } from './support/statistics.ts'

const options = benchOptions({ 'quiet-minutes': 6, changes: 3, pods: 50, only: '' })
const quietMinutes = options['quiet-minutes']
const podCount = options.pods
const objects = Array.from({ length: 10 }, (_, i) => `secret-${i}`)
const kubeletRoot = process.env.KUBELET_ROOT ?? '/var/lib/kubelet'
const slowAzureMs = 30
/** Garbage of the last work is collected within half a minute. */
const idleMs = 40_000

const twoProcesses = options.only === 'combined' ? undefined : await measure({ combined: false })
const combined = options.only === 'two' ? undefined : await measure({ combined: true })
const sizes = { pods: podCount, objects: objects.length, quietMinutes }
console.log(JSON.stringify({ bench: 'real-cluster', ...sizes, twoProcesses, combined }))

async function measure({ combined }: { combined: boolean }) {
  const cleanup = createCleanup()
  try {
    const release = await createHelmRelease(cleanup.t, { values: { combined }, objects })
    for (const name of objects) await release.setSecret(`value of ${name}`, name)
    await release.install()
    await sleep(idleMs)
    const idle = memoryOf(release)
    record('memory idle', idle)
    const ready: Record<string, number> = {}
    for (const delayMs of [0, slowAzureMs]) {
      await deletePods(release)
      await release.azure.control('PUT', '/delay', { ms: delayMs })
      ready[`${delayMs} ms`] = await startPods(release)
      record(`${podCount} pods to all Ready, Azure ${delayMs} ms`, ready[`${delayMs} ms`])
    }
    await release.azure.control('PUT', '/delay', { ms: 0 })
    await sleep(idleMs)
    const mounted = memoryOf(release)
    record(`memory with ${podCount} volumes`, mounted)
    const quiet = await quietRequests(release)
    const afterwards = memoryOf(release)
    record(`memory after ${quietMinutes} quiet minutes`, afterwards)
    const propagation = await changes(release)
    await deletePods(release)
    return { idle, ready, mounted, quiet, afterwards, propagation }
  } finally {
    await cleanup.run()
  }
}

function record(what: string, value: unknown): void {
  console.log(`${what}: ${typeof value === 'object' ? JSON.stringify(value) : value}`)
}

/** MiB of each process of the release on this machine, and together; and of that what is not pages of files. */
function memoryOf({ driver }: HelmRelease): Record<string, number> {
  const row: Record<string, number> = {}
  let private_ = 0
  for (const file of globSync('/proc/[0-9]*/cmdline')) {
    const words = commandLine(file)
    const name = words[words.findIndex((word) => word.endsWith('/start.cjs')) + 1] ?? ''
    // The release's provider is the one whose ports are the release's.
    if (
      !words.includes(`--drivername=${driver}`) &&
      !(name === 'provider' && words.includes('--prometheus-port=18898'))
    )
      continue
    const { pss, anonymous } = memoryMib(Number(file.split('/')[2]))
    row[name] = pss
    private_ += anonymous
  }
  const sum = Object.values(row).reduce((total, mib) => total + mib, 0)
  return { ...row, sum: rounded(sum), private: rounded(private_) }
}

function commandLine(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** Seconds from the first request to the API server until kubelet has called every pod Ready. */
async function startPods(release: HelmRelease): Promise<number> {
  const startedAt = performance.now()
  const names = podNames()
  await Promise.all(names.map((name) => release.createPod(name)))
  for (;;) {
    const { items } = await release.kube.list(resources.pods, { namespace: release.namespace })
    const ready = items.filter(
      ({ metadata, status }) =>
        names.includes(metadata.name ?? '') &&
        status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    )
    if (ready.length === podCount) return rounded((performance.now() - startedAt) / 1000)
    await sleep(100)
  }
}

async function deletePods(release: HelmRelease): Promise<void> {
  const names = new Set(podNames())
  const { items } = await release.kube.list(resources.pods, { namespace: release.namespace })
  const ours = items.flatMap(({ metadata: { name = '' } }) => (names.has(name) ? [name] : []))
  await Promise.all(ours.map(release.deletePod))
}

function podNames(): string[] {
  return Array.from({ length: podCount }, (_, i) => `pod-${i}`)
}

/** Requests while nothing changes: to vaults, for sign-in, and to the API server for the driver's own kinds. */
async function quietRequests(release: HelmRelease) {
  const before = await apiRequests(release)
  await release.azure.control('DELETE', '/requests')
  await sleep(quietMinutes * 60_000)
  const { counts } = (await release.azure.control('GET', '/requests')) as { counts: Record<string, number> }
  const sum = (prefix: string) =>
    Object.entries(counts).reduce((total, [name, count]) => total + (name.startsWith(prefix) ? count : 0), 0)
  const quiet = { vault: sum('vault.'), signIn: sum('entra.'), api: (await apiRequests(release)) - before }
  record(`requests in ${quietMinutes} quiet minutes`, quiet)
  return quiet
}

/** Requests so far for classes and status objects, which only the driver makes. */
async function apiRequests({ kube }: HelmRelease): Promise<number> {
  const text = await kube.raw({ method: 'GET', path: '/metrics', headers: { accept: '*/*' } })
  return text
    .split('\n')
    .filter(
      (line) => line.startsWith('apiserver_request_total{') && line.includes('group="secrets-store.csi.x-k8s.io"'),
    )
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Seconds from a new value in the vault to the file of each of three pods, at moments that have nothing to do with the interval. */
async function changes(release: HelmRelease) {
  const files = await Promise.all(
    podNames()
      .slice(0, 3)
      .map((name) => fileOf(release, name)),
  )
  const rounds: number[][] = []
  for (let round = 0; round < options.changes; round++) {
    await sleep(Math.random() * 60_000)
    const value = `changed ${round}`
    await release.setSecret(value)
    const changedAt = performance.now()
    const seen = new Map<string, number>()
    while (seen.size < files.length) {
      for (const file of files) {
        if (!seen.has(file) && readFileSync(file, 'utf8') === value)
          seen.set(file, (performance.now() - changedAt) / 1000)
      }
      await sleep(20)
    }
    rounds.push([...seen.values()].map((seconds) => Math.round(seconds * 100) / 100))
    record('seconds from a change to three files', rounds.at(-1))
  }
  const spreads = rounds.map((round) => Math.max(...round) - Math.min(...round))
  return { rounds, slowest: Math.max(...rounds.flat()), widestSpread: Math.round(Math.max(...spreads) * 1000) / 1000 }
}

/** Path of a pod's first object on the node. */
async function fileOf({ kube, namespace }: HelmRelease, name: string): Promise<string> {
  const { metadata } = await kube.get(resources.pods, { namespace, name })
  return join(kubeletRoot, `pods/${metadata.uid}/volumes/kubernetes.io~csi/secrets/mount`, objects[0] ?? '')
}
