import { stringify } from 'yaml'
import { silentLog } from '#lib'
import { forEachLimited } from '#lib/async'
import { formatDuration } from '#lib/formats'
import { createHttpClient } from '#lib/http'
import { inlineTasks } from '#lib/worker'
import { createEventsMetrics, createQueueSource } from '#product/operator'
import { fewestSpread, spreadOf } from '../../../src/product/operator/events/spread-seconds.ts'
import { startEvents } from '../../../src/product/operator/events/start-events.ts'
import { statusIntervalWriter } from '../../../src/product/operator/status-interval.ts'
import { countVolumes } from '../../../src/product/operator/volume-count.ts'
import { type ProviderLab, startProviderLabProcess } from '../../../test/support/provider-lab.ts'
import { createCleanup } from '../cleanup.ts'
import { type CountingApiServer, createCountingApiServer } from './counting-api-server.ts'
import { createFleetAzure, type FleetAzure } from './fleet-azure.ts'
import { startFleetNode } from './fleet-node.ts'
import { createFleetTime, type FleetTime } from './fleet-time.ts'
import { watchWrites } from './write-no-files.ts'

export interface SizeOptions {
  nodes: number
  volumes: number
  objects: number
  /** Of rest that are measured. */
  hours: number
  /** Interval of quiet polling in hours. */
  quietHours: number
  /** Requests of sign-ins in ten seconds, beyond which Entra is assumed to refuse. */
  entraLimit: number
  /** `--events-sign-ins-per-second` of the operator. */
  signInsPerSecond: number
}

export interface Phase {
  seconds: number
  reads: number
  readsPeak: number
  readsRefused: number
  signIns: number
  signInsPeak: number
  signInsRefused: number
  apiReads: number
  apiWrites: number
}

export interface ChangePhase extends Phase {
  /** Seconds until the files of this part of the nodes had the new value; undefined for never. */
  half: number | undefined
  all: number | undefined
}

export interface SizeResult {
  nodes: number
  pollInterval: string
  start: Phase
  rest: Phase
  /** Of an object of a class with as many objects as each. */
  change: ChangePhase
  /** Of the only object of a class, right after that: nodes still hold a token. */
  single: ChangePhase
  /** The same when no node holds a token any more. */
  later: ChangePhase
  /** Memory of a node, in KiB. */
  nodeKib: number
  realSeconds: number
  /** Of this process, without the local Azure. */
  cpuSeconds: number
}

interface Fleet {
  options: SizeOptions
  lab: ProviderLab
  time: FleetTime
  api: CountingApiServer
  azure: FleetAzure
  messages: Message[]
}

interface Message {
  id: string
  popReceipt: string
  dequeueCount: number
  insertedAt: number
  text: string
}

const vault = 'model-vault'
const audience = 'api://AzureADTokenExchange'
const driverName = 'secrets-store.csi.k8s.io'
const singleClass = 'single'
/** What a vault allows in ten seconds. https://learn.microsoft.com/azure/key-vault/general/service-limits */
export const vaultLimit = 4000
/** Nodes start so that their first reads take half of that. */
const startReadsPerSecond = 200
const latencyMs = 30
/** Longer than the provider uses a token. */
const tokensEndMs = 11 * 60_000

/** A cluster of so many nodes: it starts, is at rest, and one object after another changes. */
export async function runSize(options: SizeOptions): Promise<SizeResult> {
  const begun = performance.now()
  const cleanup = createCleanup()
  try {
    const fleet = await openFleet(options, await startProviderLabProcess(cleanup.t), cleanup.t.after)
    const memoryBefore = memoryUsed()
    const pollMs = await startNodes(fleet)
    const start = takePhase(fleet, 0)
    const nodeKib = (memoryUsed() - memoryBefore) / options.nodes / 1024
    const restSeconds = options.hours * 3600
    await fleet.time.runUntil(fleet.time.clock.elapsed() + restSeconds * 1000)
    const rest = takePhase(fleet, restSeconds)
    const change = await changeObject(fleet, { className: 'class-0', object: 'secret-0' })
    const single = await changeObject(fleet, { className: singleClass, object: singleClass })
    await fleet.time.runUntil(fleet.time.clock.elapsed() + tokensEndMs)
    const later = await changeObject(fleet, { className: singleClass, object: singleClass })
    const realSeconds = (performance.now() - begun) / 1000
    const { user, system } = process.cpuUsage()
    const took = { realSeconds, cpuSeconds: (user + system) / 1e6 }
    return {
      nodes: options.nodes,
      pollInterval: formatDuration(pollMs),
      start,
      rest,
      change,
      single,
      later,
      nodeKib,
      ...took,
    }
  } finally {
    await cleanup.run()
  }
}

async function openFleet(
  options: SizeOptions,
  lab: ProviderLab,
  after: (step: () => unknown) => unknown,
): Promise<Fleet> {
  const { volumes, objects } = options
  const identity = await lab.createReadableVault(vault)
  const names = Array.from({ length: volumes * objects }, (_, index) => `secret-${index}`)
  const time = createFleetTime(Date.now())
  const api = createCountingApiServer(time.clock)
  const client = createHttpClient({ ...lab.http, maxSockets: 16 })
  after(client.stop)
  await forEachLimited([...names, singleClass], 8, (name) =>
    lab.azure.setSecret(vault, name, `of ${name}`).then(() => {}),
  )
  const azure = createFleetAzure({ time, client, vaultLimit, entraLimit: options.entraLimit, latencyMs })
  const createClass = (name: string, of: readonly string[]) => {
    const array = of.map((objectName) => stringify({ objectName, objectType: 'secret' }))
    const ids = { clientID: identity.clientId, tenantId: lab.azure.administrator.tenantId, keyvaultName: vault }
    api.put('secretproviderclasses', {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      metadata: { namespace: 'default', name },
      spec: { provider: 'azure', parameters: { ...ids, objects: stringify({ array }) } },
    } as never)
  }
  for (let index = 0; index < volumes; index++)
    createClass(`class-${index}`, names.slice(index * objects, (index + 1) * objects))
  createClass(singleClass, [singleClass])
  api.put('csidrivers', { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: driverName } })
  const fleet: Fleet = { options, lab, time, api, azure, messages: [] }
  startOperator(fleet)
  await time.runUntil(3 * 60_000)
  return fleet
}

/** The real operator with all that large clusters switch on; only its queue is in memory. */
function startOperator({ options, time, api: { kube }, messages }: Fleet): void {
  const { clock } = time
  const log = silentLog
  const metrics = createEventsMetrics()
  const queue = {
    receive: async () => messages.filter(({ dequeueCount }) => dequeueCount++ === 0),
    batch: 32,
    waits: false,
    repeatsIds: false,
    async delete(gone: readonly { id: string }[]) {
      for (const { id } of gone) {
        const index = messages.findIndex((one) => one.id === id)
        if (index >= 0) messages.splice(index, 1)
      }
    },
  }
  const { ignored: onIgnored, age: onAge } = metrics
  const host = `${vault}.vault.azure.net`
  const source = createQueueSource({
    queue,
    vaults: [host],
    vaultSuffix: 'vault.azure.net',
    log,
    onIgnored,
    onAge,
    clock,
  })
  const onCount = statusIntervalWriter({ kube, driverName, log, clock })
  const fewestNodes = fewestSpread(options.signInsPerSecond)
  const count = countVolumes({ kube, clock, log, fewestNodes, onCount })
  startEvents({
    ...{ kube, metrics, log, clock, sources: [source], tasks: inlineTasks(), namespaces: [] },
    pod: { apiVersion: 'v1', kind: 'Pod', namespace: 'kube-system', name: 'operator' },
    spreadOf: (namespace, className, objects) =>
      spreadOf({ nodes: count.nodesOf(namespace, className), objects }, options.signInsPerSecond),
    quiet: { driverName, intervalMs: options.quietHours * 3_600_000 },
  })
}

/** Starts the nodes one after the other. @returns the interval, in milliseconds. */
async function startNodes({ options, lab, time, api, azure }: Fleet): Promise<number> {
  const { nodes, volumes, objects } = options
  const perNode = volumes * objects + 1
  // So that one poll of everything takes half of the vault's limit at most.
  const pollMs = Math.max(1, Math.ceil((nodes * perNode) / startReadsPerSecond / 3600)) * 3_600_000
  const exp = Math.floor(Date.now() / 1000) + 14 * 86_400
  const token = await lab.issuer.token('system:serviceaccount:default:app', { aud: [audience], exp })
  const tokens = JSON.stringify({ [audience]: { token, expirationTimestamp: '2036-01-01T00:00:00Z' } })
  const classes = [...Array.from({ length: volumes }, (_, index) => `class-${index}`), singleClass]
  const begun = time.clock.elapsed()
  let failures = 0
  for (let index = 0; index < nodes; index++) {
    time.clock.after((index * perNode * 1000) / startReadsPerSecond, () => {
      const world = { time, kube: api.kube, azure: azure.client, rotationPollInterval: formatDuration(pollMs), tokens }
      const publish = startFleetNode({ name: `node-${index}`, ...world })
      // kubelet starts pods after the driver has registered.
      time.clock.after(10_000, () => {
        publish(classes).catch((error: unknown) => {
          if (failures++ === 0) console.error(error)
        })
      })
    })
  }
  const started = begun + (nodes * perNode * 1000) / startReadsPerSecond
  await time.runUntil(started + 20 * 60_000)
  if (failures > 0) throw new Error(`${failures} nodes could not start`)
  return pollMs
}

/** A new version of one object, from the vault's event to the files of every node. */
async function changeObject(
  fleet: Fleet,
  { className, object }: { className: string; object: string },
): Promise<ChangePhase> {
  const { options, lab, time, azure, messages } = fleet
  const { clock } = time
  const begun = clock.elapsed()
  const times: number[] = []
  watchWrites((target) => {
    if (target.includes(`-${className}/`)) times.push((clock.elapsed() - begun) / 1000)
  })
  takePhase(fleet, 0)
  await time.outside(() => lab.azure.setSecret(vault, object, `changed at ${begun}`))
  azure.forget()
  messages.push(messageOf(object, clock.now()))
  const end = begun + 2 * 3_600_000
  while (times.length < options.nodes && clock.elapsed() < end) await time.runUntil(clock.elapsed() + 1000)
  await time.runUntil(clock.elapsed() + 60_000)
  const phase = takePhase(fleet, (clock.elapsed() - begun) / 1000)
  watchWrites(() => {})
  return { ...phase, half: times[Math.ceil(options.nodes / 2) - 1], all: times[options.nodes - 1] }
}

function messageOf(object: string, now: number): Message {
  const id = `event-${now}`
  const event = {
    id,
    topic: `/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/${vault}`,
    subject: object,
    eventType: 'Microsoft.KeyVault.SecretNewVersionCreated',
    eventTime: new Date(now).toISOString(),
    data: { VaultName: vault, ObjectType: 'Secret', ObjectName: object, Version: `v${now}` },
    dataVersion: '1',
    metadataVersion: '1',
  }
  const text = Buffer.from(JSON.stringify(event)).toString('base64')
  return { id, popReceipt: 'r', dequeueCount: 0, insertedAt: now, text }
}

function takePhase({ azure, api }: Fleet, seconds: number): Phase {
  const reads = azure.reads.take()
  const signIns = azure.signIns.take()
  return {
    seconds,
    reads: reads.count,
    readsPeak: reads.peak,
    readsRefused: azure.readsRefused.take().count,
    signIns: signIns.count,
    signInsPeak: signIns.peak,
    signInsRefused: azure.signInsRefused.take().count,
    apiReads: api.reads.take().count,
    apiWrites: api.writes.take().count,
  }
}

function memoryUsed(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
