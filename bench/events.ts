/**
 * From a vault to files: a value is set, and 20 pods on one node, whose class is read once an hour, have it in their files. First 200
 * sets, one after another; then 1,000 sets of one secret in 10 seconds, of which Event Grid delivers a tenth twice. The lab is the whole
 * product: Event Grid, queue, operator, class, driver, provider. Prints figures beside the aims. The last line is JSON.
 *
 *   node bin/node.mjs bench/events.ts [--sets 200] [--pods 20] [--storm 1000]
 */

import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { findLocalAzure, findLocalCluster, labHome, mountsBelow } from '#lab/home'
import { sleep } from '#lib'
import { forEachLimited } from '#lib/async'
import { callSocket } from '#lib/http'
import { podReady } from '../test/e2e/wait.ts'
import { createWorkload, type Workload } from '../test/e2e/workload.ts'
import { startEventsOperator } from '../test/support/events-operator.ts'
import { type Lab, startLab } from '../test/support/lab.ts'
import { createCleanup } from './support/cleanup.ts'
import { benchOptions } from './support/options.ts'
import { createFigures, quantile } from './support/statistics.ts'

const { sets, pods: podCount, storm } = benchOptions({ sets: 200, pods: 20, storm: 1000 })
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
  const operator = await startEventsOperator(lab, workload.vault)
  cleanup.t.after(() => operator.stop())
  const volumes = await startPods(lab, workload)
  console.log(`(${volumes.length} pods, ${sets} sets one after another)`)
  await measureSets(workload, volumes)
  console.log(`(${storm} sets in ${stormMs / 1000} s)`)
  await measureStorm(lab, workload, volumes)
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

/** From the request that sets the value to the last of the files that has it. */
async function measureSets(workload: Workload, volumes: readonly string[]): Promise<void> {
  const [first, last]: [number[], number[]] = [[], []]
  for (let number = 1; number <= sets; number++) {
    const value = `value ${number}`
    const startedAt = performance.now()
    await workload.setSecret(secret, value)
    const seen = await untilAll(volumes, value, startedAt)
    first.push(Math.min(...seen))
    last.push(Math.max(...seen))
    // Not in step with the poll of the queue.
    await sleep(1000 + (number % 10) * 100)
  }
  record('vault to the first file, p50, ms', quantile(first, 0.5), '')
  record('vault to all files, p50, ms', quantile(last, 0.5), '1200')
  record('vault to all files, p99, ms', quantile(last, 0.99), '2000')
  record('vault to all files, longest, ms', Math.max(...last), '')
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

async function measureStorm(lab: Lab, workload: Workload, volumes: readonly string[]): Promise<void> {
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
    await workload.setSecret(secret, `storm ${number}`)
  })
  await workload.setSecret(secret, 'the last')
  const setAt = performance.now()
  record('the storm, s', (setAt - startedAt) / 1000, '10')
  const seen = await untilAll(volumes, 'the last', setAt)
  record('last set to all files, ms', Math.max(...seen), '2000')
  // Later events of the storm may still arrive.
  await sleep(10_000)
  watching = false
  await watched
  const rotations = [...contents.values()].map((all) => all.size - 1)
  record('rotations of a volume, most', Math.max(...rotations), '11 for 10 s')
  const counts = await lab.control.requests()
  record('reads of the vault', counts['vault.secret.get'] ?? 0, 'rotations of the node')
  const right = volumes.filter((volume) => contentOf(volume) === 'the last').length
  record('volumes with the last value', right, String(volumes.length))
}
