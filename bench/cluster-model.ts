/**
 * What a cluster of thousands of nodes asks of a vault, of Entra and of the API server.
 *
 * Measured: a few nodes run the real driver and the real provider, with their sockets, against the local Azure (a process of its
 * own) and an API server whose writes are counted; where waiting is the work, their clock runs faster than the real one. That
 * gives the requests of one node for a start, for an hour at rest, and for one change. Computed from these: a cluster of N such
 * nodes, which do the same at moments of their own. The last line is JSON. Deadlines run with the clock too: on a busy machine
 * more speed makes reads fail, which shows as fewer than objects × volumes reads of a tick.
 *
 *   node bench/cluster-model.ts [--nodes 3] [--volumes 20] [--objects 10] [--hours 1] [--speed 20] [--profiles polling,events]
 */
import { stringify } from 'yaml'
import {
  classAnnotations,
  createKubeClient,
  csiDriverAnnotations,
  type KubeClient,
  loadKubeconfig,
  printClassChange,
  type Resource,
  resources,
} from '#kubernetes/client'
import { sleep } from '#lib'
import { forEachLimited } from '#lib/async'
import { formatDuration, parseDuration } from '#lib/formats'
import { spreadOf } from '../src/product/operator/events/spread-seconds.ts'
import { statusIntervalMs } from '../src/product/operator/status-interval.ts'
import { createDefinitions } from '../test/support/custom-resources.ts'
import { startLocalCluster } from '../test/support/local-cluster.ts'
import { clusterOf, startProviderLabProcess } from '../test/support/provider-lab.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { createCleanup } from './support/cleanup.ts'
import { createFastClock } from './support/fast-clock.ts'
import { type ModelNode, startModelNode } from './support/model-node.ts'
import { benchOptions } from './support/options.ts'
import { peakOfBursts } from './support/superpose.ts'

const { nodes, volumes, objects, hours, speed, ...options } = benchOptions({
  nodes: 3,
  volumes: 20,
  objects: 10,
  hours: 1,
  speed: 20,
  profiles: 'polling,events',
})

/** Key Vault: transactions of secrets in ten seconds, for each vault and region. */
const vaultBudget = 4000
const windowMs = 10_000
/** Default of the operator. */
const signInsPerSecond = 15
const keyvaultName = 'model-vault'
const audience = 'api://AzureADTokenExchange'
const sizes = [100, 1000, 5000, 10_000]

/** What one node asks for, on average. */
interface Requests {
  reads: number
  signIns: number
  apiWrites: number
}

interface Profile {
  /** In `--profiles`. */
  key: string
  name: string
  /** Go duration. */
  interval: string
  /** Whether the operator is there: it reports changes, and adapts the interval of status writes. */
  operator: boolean
  /** Of the rest that is measured. */
  hours: number
  /** How much faster than the real clock. */
  speed: number
}

const known: readonly Profile[] = [
  { key: 'polling', name: 'polling, 2 m', interval: '2m', operator: false, hours: 0.2, speed: speed / 2 },
  {
    key: 'events',
    name: 'events and polling, 1 h',
    interval: '1h',
    operator: true,
    hours,
    speed,
  },
]
const profiles = known.filter(({ key }) => options.profiles.split(',').includes(key))

const cleanup = createCleanup()
try {
  const lab = await startProviderLabProcess(cleanup.t)
  const identity = await lab.createReadableVault(keyvaultName)
  const names = Array.from({ length: volumes * objects }, (_, index) => `secret-${index}`)
  await forEachLimited(names, 8, (name) => lab.azure.setSecret(keyvaultName, name, `value of ${name}`).then(() => {}))
  const cluster = await startLocalCluster(cleanup.t, { nodeName: 'another-node' })
  const kube = createKubeClient(loadKubeconfig(cluster.kubeconfig))
  cleanup.t.after(() => kube.close())
  await createDefinitions(kube)
  await forEachLimited(Array.from({ length: volumes }).keys().toArray(), 4, createClass)
  const token = await lab.issuer.token('system:serviceaccount:default:app', { aud: [audience], exp: inDays(2) })
  const tokens = JSON.stringify({ [audience]: { token, expirationTimestamp: '2036-01-01T00:00:00Z' } })

  const results = []
  for (const profile of profiles) results.push({ profile, ...(await measure(profile)) })
  for (const { profile, start, rest, change } of results) {
    console.log(
      `\n${profile.name}: measured on ${nodes} nodes of ${volumes} volumes with ${objects} objects; of one node:`,
    )
    for (const [what, of] of Object.entries({ start, 'hour at rest': rest, 'one change': change }))
      if (of !== undefined) console.log(`  ${what}: ${textOf(of)}`)
  }
  for (const result of results)
    console.log(
      `\n${result.profile.name}: highest load of ${nodes} nodes in 10 s: ${result.peak} reads; computed: ` +
        `${clusterOfSize(nodes, result)['peak reads in 10 s']}`,
    )
  const computed = results.flatMap((result) => sizes.map((size) => clusterOfSize(size, result)))
  console.log('\ncomputed for a cluster (all volumes of one vault and one identity):')
  console.table(computed)
  console.log(JSON.stringify({ nodes, volumes, objects, measured: results, computed }))

  async function createClass(index: number): Promise<void> {
    const array = names
      .slice(index * objects, (index + 1) * objects)
      .map((objectName) => stringify({ objectName, objectType: 'secret' }))
    await kube.create(resources.secretProviderClasses, {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      metadata: { namespace: 'default', name: `class-${index}` },
      spec: {
        provider: 'azure',
        parameters: {
          clientID: identity.clientId,
          tenantId: lab.azure.administrator.tenantId,
          keyvaultName,
          objects: stringify({ array }),
        },
      },
    })
  }

  async function measure(profile: Profile) {
    const clock = createFastClock()
    const directory = temporaryDirectory(cleanup.t, 'km-')
    const counter = countingClient(kube)
    await setStatusInterval(profile.operator ? statusIntervalMs(Math.max(...sizes) * volumes) : undefined)
    const running: ModelNode[] = []
    const take = async (): Promise<Requests> => {
      const counts = await lab.takeCounts()
      return {
        reads: (counts['vault.secret.get'] ?? 0) / nodes,
        signIns: (counts['entra.token'] ?? 0) / nodes,
        apiWrites: counter.take() / nodes,
      }
    }
    try {
      for (let index = 0; index < nodes; index++)
        running.push(
          await startModelNode({
            name: `${profile.operator ? 'e' : 'p'}${index}`,
            ...{ directory, clock, kube: counter.kube, rotationPollInterval: profile.interval },
            provider: { http: lab.http, kube: clusterOf(lab.issuer) },
          }),
        )
      await take()
      await Promise.all(
        running.map(async (node, index) => node.publish(await createPods(`${profile.operator}-${index}`))),
      )
      const start = await take()
      clock.setSpeed(profile.speed)
      const quiet = noRequests()
      let peak = 0
      for (const end = clock.elapsed() + profile.hours * 3_600_000; clock.elapsed() < end; ) {
        await sleep(windowMs, { clock })
        const more = await take()
        add(quiet, more)
        peak = Math.max(peak, more.reads * nodes)
      }
      clock.setSpeed(1)
      // A tick that has begun belongs to the rest.
      add(quiet, await untilQuiet(take))
      const rest = divided(quiet, profile.hours)
      const change = profile.operator ? await changeOne(take) : undefined
      return { start, rest, change, peak }
    } finally {
      for (const node of running) await node.stop()
    }
  }

  /** Pods of one node, one for each class. */
  function createPods(node: string) {
    return Promise.all(
      Array.from({ length: volumes }, async (_, index) => {
        const name = `pod-${node}-${index}`
        const { metadata } = await kube.create(resources.pods, {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { namespace: 'default', name },
          spec: { nodeName: 'another', containers: [{ name: 'app', image: 'app' }] },
        })
        return { name, uid: metadata.uid ?? '', className: `class-${index}`, tokens }
      }),
    )
  }

  /** A new version of one object, as the operator reports it to the drivers. */
  async function changeOne(take: () => Promise<Requests>): Promise<Requests> {
    const [name = ''] = names
    await lab.azure.setSecret(keyvaultName, name, 'changed')
    await take()
    const at = Date.now()
    const atOnce = { spreadSeconds: 0, signInSpreadSeconds: 0 }
    const object = `https://${keyvaultName}.vault.azure.net/secrets/${name}`
    const change = printClassChange({ id: `change-${at}`, at, seen: at, objects: [object], ...atOnce })
    const ref = { namespace: 'default', name: 'class-0' }
    await kube.patch(resources.secretProviderClasses, ref, {
      metadata: { annotations: { [classAnnotations.changed]: change } },
    })
    return untilQuiet(take)
  }

  async function setStatusInterval(ms: number | undefined): Promise<void> {
    const name = 'secrets-store.csi.k8s.io'
    const annotations = ms === undefined ? {} : { [csiDriverAnnotations.statusInterval]: formatDuration(ms) }
    await kube.apply(
      resources.csiDrivers,
      { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name, annotations }, spec: {} },
      { fieldManager: 'bench', force: true },
    )
  }
} finally {
  await cleanup.run()
}

/** What is asked for until nothing has been read for a while. */
async function untilQuiet(take: () => Promise<Requests>): Promise<Requests> {
  const total = noRequests()
  for (let quiet = 0; quiet < 3; quiet++) {
    await sleep(2000)
    const more = await take()
    if (more.reads > 0) quiet = -1
    add(total, more)
  }
  return total
}

interface Measured {
  profile: Profile
  start: Requests
  rest: Requests
  change: Requests | undefined
  /** The most reads of all measured nodes in ten seconds at rest. */
  peak: number
}

/** What a cluster of so many of the measured nodes asks for. */
function clusterOfSize(size: number, { profile, rest, change }: Measured) {
  const intervalMs = parseDuration(profile.interval) ?? 0
  const readsOfTick = (rest.reads * intervalMs) / 3_600_000
  const peak = peakOfBursts({ nodes: size, size: readsOfTick, spanMs: intervalMs, windowMs })
  const perSecond = (perHour: number) => (perHour * size) / 3600
  const { spreadSeconds: spread, signInSpreadSeconds } = spreadOf({ nodes: size, objects }, signInsPerSecond)
  const changeReads = (change?.reads ?? 0) * size
  const changePeak = peakOfBursts({ nodes: size, size: change?.reads ?? 0, spanMs: spread * 1000, windowMs })
  return {
    profile: profile.name,
    nodes: size,
    'reads/s': rounded(perSecond(rest.reads)),
    '% of a vault': rounded((perSecond(rest.reads) * 100 * (windowMs / 1000)) / vaultBudget),
    'peak reads in 10 s': Math.round(peak),
    'interval for 10 % of it': formatDuration(
      Math.ceil((readsOfTick * size * 1000) / (vaultBudget / 100) / 60_000) * 60_000,
    ),
    'sign-ins/s': rounded(perSecond(rest.signIns)),
    'API writes/s': rounded(perSecond(rest.apiWrites)),
    ...(change === undefined
      ? {}
      : {
          'reads of a change': Math.round(changeReads),
          'spread s': spread,
          'spread of sign-ins s': signInSpreadSeconds,
          'peak of it in 10 s': Math.round(changePeak),
        }),
  }
}

/** The client, with a count of everything it writes. */
function countingClient(kube: KubeClient): { kube: KubeClient; take(): number } {
  const writes = new Set<string | symbol>(['create', 'apply', 'patch', 'update', 'replace', 'delete'])
  let count = 0
  const counted = new Proxy(kube, {
    get(target, name) {
      const method = Reflect.get(target, name) as (...words: unknown[]) => unknown
      if (!writes.has(name)) return method
      return (resource: Resource, ...words: unknown[]) => {
        count++
        return method.call(target, resource, ...words)
      }
    },
  })
  return {
    kube: counted,
    take() {
      const before = count
      count = 0
      return before
    },
  }
}

function noRequests(): Requests {
  return { reads: 0, signIns: 0, apiWrites: 0 }
}

function add(total: Requests, more: Requests): void {
  for (const kind of ['reads', 'signIns', 'apiWrites'] as const) total[kind] += more[kind]
}

function divided({ reads, signIns, apiWrites }: Requests, by: number): Requests {
  return { reads: reads / by, signIns: signIns / by, apiWrites: apiWrites / by }
}

function textOf({ reads, signIns, apiWrites }: Requests): string {
  return `${rounded(reads)} reads of the vault, ${rounded(signIns)} sign-ins, ${rounded(apiWrites)} writes to the API server`
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

function inDays(days: number): number {
  return Math.floor(Date.now() / 1000) + days * 86_400
}
