/**
 * From a vault to files: a value is set, and 20 pods on one node, whose class is read once an hour, have it in their files. First 200
 * sets, one after another; then 1,000 sets of one secret in 10 seconds, of which Event Grid delivers a tenth twice. The lab is the whole
 * product: Event Grid, queue or namespace topic, operator, class, driver, provider. Both transports are measured, one after the other in the same
 * lab, unless one is named. Prints figures beside the aims, and compares the transports by the time to the annotation of the class. The last line
 * is JSON.
 *
 *   node bin/node.mjs bench/events.ts [--transport both|queue|namespace-topic] [--sets 200] [--pods 20] [--storm 1000]
 */

import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { classAnnotations, follow, resources, type SecretProviderClass } from '#kubernetes/client'
import { findLocalAzure, findLocalCluster, labHome, mountsBelow } from '#lab/home'
import { silentLog, sleep, systemClock } from '#lib'
import { forEachLimited } from '#lib/async'
import { callSocket } from '#lib/http'
import { podReady } from '../test/e2e/wait.ts'
import { createWorkload, type Workload } from '../test/e2e/workload.ts'
import { type EventTransport, startEventsOperator } from '../test/support/events-operator.ts'
import { type Lab, startLab } from '../test/support/lab.ts'
import { createCleanup } from './support/cleanup.ts'
import { benchOptions } from './support/options.ts'
import { createFigures, quantile } from './support/statistics.ts'

const { sets, pods: podCount, storm, transport } = benchOptions({ sets: 200, pods: 20, storm: 1000, transport: 'both' })
const known = ['queue', 'namespace-topic'] as const
const transports = known.filter((one) => transport === 'both' || transport === one)
if (transports.length === 0) throw new Error(`--transport: expected both, ${known.join(' or ')}: ${transport}`)
const secret = 'ExampleSecret'
const stormMs = 10_000
const longestMs = 60_000

const { record, json } = createFigures()

const cleanup = createCleanup()
try {
  const lab = await startLab({ target: 'local' })
  cleanup.t.after(() => lab.stop())
  const workload = await createWorkload(lab, 'bench', { parameters: { syncInterval: '1h' } })
  await workload.setSecret(secret, 'value 0')
  const volumes = await startPods(lab, workload)
  const annotated = new Map<EventTransport, number[]>()
  for (const one of transports) {
    const operator = await startEventsOperator(lab, workload.vault, one)
    const changes = watchChanges(lab, workload)
    console.log(`(${one}: ${volumes.length} pods, ${sets} sets one after another)`)
    annotated.set(one, await measureSets(workload, volumes, { changes, transport: one }))
    if (storm > 0) {
      console.log(`(${one}: ${storm} sets in ${stormMs / 1000} s)`)
      await measureStorm(lab, workload, volumes, one)
    }
    await changes.stop()
    await operator.stop()
  }
  if (annotated.size > 1) compare(annotated)
} finally {
  await cleanup.run()
}
console.log(json())

/** Directories of the volumes, as this process sees them. */
async function startPods(lab: Lab, workload: Workload): Promise<string[]> {
  const names = Array.from({ length: podCount }, (_, index) => `pod-${index}`)
  for (const name of names) await workload.startPod(name)
  for (const name of names) await podReady(lab, workload.namespace, name)
  const cluster = findLocalCluster(labHome(lab.home))
  if (cluster === undefined) throw new Error('the local cluster is not there')
  return mountsBelow(cluster.pid, lab.kubeletRoot)
    .filter(({ mountPoint }) => mountPoint.includes('kubernetes.io~csi'))
    .map(({ mountPoint }) => join(`/proc/${cluster.pid}/root`, mountPoint))
}

function contentOf(volume: string): string {
  return readFileSync(join(volume, secret), 'utf8')
}

/** What the operator writes to the class of the workload, as a watch sees it. */
interface Changes {
  /** When the first change after this moment was seen. */
  after(ms: number): number | undefined
  stop(): Promise<void>
}

function watchChanges(lab: Lab, { namespace, className }: Workload): Changes {
  const seen: number[] = []
  let last: string | undefined
  const see = (object: SecretProviderClass | undefined) => {
    const text = object?.metadata.annotations?.[classAnnotations.changed]
    if (text !== last) seen.push(performance.now())
    last = text
  }
  const { stop } = follow(
    lab.kube,
    resources.secretProviderClasses,
    { namespace, fieldSelector: `metadata.name=${className}`, clock: systemClock, log: silentLog },
    { onList: ([object]) => see(object), onChange: (_, object) => see(object) },
  )
  return { after: (ms) => seen.find((at) => at > ms), stop }
}

/**
 * From the request that sets the value to the annotation of the class, and to the last of the files that has it. @returns the times to the
 * annotation.
 */
async function measureSets(
  workload: Workload,
  volumes: readonly string[],
  { changes, transport }: { changes: Changes; transport: EventTransport },
): Promise<number[]> {
  const annotation: number[] = []
  const [first, last]: [number[], number[]] = [[], []]
  for (let number = 1; number <= sets; number++) {
    const value = `${transport} ${number}`
    const startedAt = performance.now()
    await workload.setSecret(secret, value)
    const seen = await untilAll(volumes, value, startedAt)
    first.push(Math.min(...seen))
    last.push(Math.max(...seen))
    const annotatedAt = changes.after(startedAt)
    if (annotatedAt !== undefined) annotation.push(annotatedAt - startedAt)
    // Not in step with the poll of the queue.
    await sleep(1000 + (number % 10) * 100)
  }
  record(`${transport}: vault to the annotation, p50, ms`, quantile(annotation, 0.5))
  record(`${transport}: vault to the annotation, p99, ms`, quantile(annotation, 0.99))
  record(`${transport}: vault to the first file, p50, ms`, quantile(first, 0.5))
  record(`${transport}: vault to all files, p50, ms`, quantile(last, 0.5), '1200')
  record(`${transport}: vault to all files, p99, ms`, quantile(last, 0.99), '2000')
  record(`${transport}: vault to all files, longest, ms`, Math.max(...last))
  return annotation
}

/** Of one run and machine, so that the ratios are worth more than the times. */
function compare(annotated: ReadonlyMap<EventTransport, readonly number[]>): void {
  const words = [0.5, 0.99].map((share) => {
    const of = (one: EventTransport) => quantile(annotated.get(one) ?? [], share)
    const [queue, topic] = [of('queue'), of('namespace-topic')]
    return `p${share * 100} ${Math.round(queue)} ms by queue, ${Math.round(topic)} ms by namespace topic (${(topic / queue).toFixed(2)} of it)`
  })
  console.log(`vault to the annotation: ${words.join('; ')}`)
}

/** When each volume had the value, in milliseconds. */
async function untilAll(volumes: readonly string[], value: string, startedAt: number): Promise<number[]> {
  const missing = new Set(volumes)
  const seen: number[] = []
  while (missing.size > 0) {
    for (const volume of missing)
      if (contentOf(volume) === value) {
        missing.delete(volume)
        seen.push(performance.now() - startedAt)
      }
    if (performance.now() - startedAt > longestMs) throw new Error(`${missing.size} volumes do not have ${value}`)
    await sleep(5)
  }
  return seen
}

async function measureStorm(
  lab: Lab,
  workload: Workload,
  volumes: readonly string[],
  transport: EventTransport,
): Promise<void> {
  const control = findLocalAzure(labHome(lab.home))?.control ?? ''
  await callSocket(control, { method: 'PUT', path: '/event-grid', body: { duplicate: 0.1 } })
  const contents = new Map(volumes.map((volume) => [volume, new Set<string>()]))
  let watching = true
  const watched = (async () => {
    while (watching) {
      for (const [volume, seen] of contents) seen.add(readlinkSync(join(volume, '..data')))
      await sleep(5)
    }
  })()
  await lab.control.forgetRequests()
  const startedAt = performance.now()
  const numbers = Array.from({ length: storm - 1 }, (_, index) => index)
  await forEachLimited(numbers, 16, async (number) => {
    await sleep(Math.max(startedAt + (number * stormMs) / storm - performance.now(), 0))
    await workload.setSecret(secret, `storm ${transport} ${number}`)
  })
  const lastValue = `the last by ${transport}`
  await workload.setSecret(secret, lastValue)
  const setAt = performance.now()
  record(`${transport}: the storm, s`, (setAt - startedAt) / 1000, '10')
  const seen = await untilAll(volumes, lastValue, setAt)
  record(`${transport}: last set to all files, ms`, Math.max(...seen), '2000')
  // Later events of the storm may still arrive.
  await sleep(10_000)
  watching = false
  await watched
  await callSocket(control, { method: 'PUT', path: '/event-grid', body: { duplicate: 0 } })
  const rotations = [...contents.values()].map((all) => all.size - 1)
  record(`${transport}: rotations of a volume, most`, Math.max(...rotations), '11 for 10 s')
  const counts = await lab.control.requests()
  record(`${transport}: reads of the vault`, counts['vault.secret.get'] ?? 0, 'rotations of the node')
  const right = volumes.filter((volume) => contentOf(volume) === lastValue).length
  record(`${transport}: volumes with the last value`, right, String(volumes.length))
}
