/**
 * A node full of pods: 110 that start at once, each with a volume of 10 objects of one class in ten; then one rotation of
 * all of them, with and without changes; then a quiet minute of 50 volumes, with kubelet's republish of each. Prints times,
 * CPU seconds, memory of the bundled driver and requests to the API server. The last line is JSON.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '#lib'
import { startDriverLab } from '../test/support/driver-lab.ts'
import { eventually } from '../test/support/eventually.ts'
import { bundledDriver } from './support/driver-bundle.ts'
import { rounded } from './support/statistics.ts'

const podCount = 110
const quietCount = 50
const classCount = 11
const objects = Array.from({ length: 10 }, (_, i) => `object-${i}`)

const bundle = await bundledDriver()
const lab = await startDriverLab({
  command: bundle.command,
  flags: ['--enable-secret-rotation', '--rotation-poll-interval=15s'],
})
const setAll = (content: string) => {
  for (const object of objects)
    lab.provider.objects.set(object, { content: `${content} of ${object}`, version: content })
}
const results: Record<string, unknown> = {}
const record = (name: string, value: number, unit: string) => {
  results[name] = rounded(value)
  console.log(`${name}: ${rounded(value)} ${unit}`)
}

const recordMemory = (name: string) => {
  const { pss, anonymous } = lab.driver.memory()
  results[name] = { pss, anonymous }
  console.log(`${name}: ${pss} MiB, ${anonymous} of them not shared with other Node processes`)
}

try {
  setAll('first')
  for (let i = 0; i < classCount; i++) await lab.createClass(`class-${i}`, objects)
  await sleep(2000)
  recordMemory('memory idle')
  const pods = await Promise.all(Array.from({ length: podCount }, (_, i) => lab.pod(`class-${i % classCount}`)))

  lab.api.requests.length = 0
  const startedAt = performance.now()
  const cpuBefore = lab.driver.cpu()
  await Promise.all(pods.map(lab.publish))
  record(`${podCount} pods at once, wall`, performance.now() - startedAt, 'ms')
  record(`${podCount} pods at once, CPU of the driver`, lab.driver.cpu() - cpuBefore, 'ms')
  record('API requests per publish', lab.api.requests.filter((line) => !/watch=true/.test(line)).length / podCount, '')
  recordMemory(`memory with ${podCount} volumes of 10 objects`)

  // The next tick finds news in all objects.
  const cpuBeforeRotation = lab.driver.cpu()
  const mountsBefore = lab.provider.mounts.length
  setAll('second')
  await eventually(() => {
    if (lab.provider.mounts.length === mountsBefore) throw new Error('no tick yet')
  }, 30_000)
  const rotationAt = performance.now()
  const rotated = ({ targetPath }: { targetPath: string }) => {
    if (!readFileSync(join(targetPath, 'object-9'), 'utf8').startsWith('second')) throw new Error('not rotated yet')
  }
  await eventually(() => pods.forEach(rotated), 30_000)
  record(`rotation of ${podCount} changed volumes, wall`, performance.now() - rotationAt, 'ms')
  await sleep(1000)
  record(`rotation of ${podCount} changed volumes, CPU of the driver`, lab.driver.cpu() - cpuBeforeRotation, 'ms')

  for (const pod of pods.slice(quietCount)) await lab.unpublish(pod)
  lab.api.requests.length = 0
  const quietMounts = lab.provider.mounts.length
  const cpuBeforeQuiet = lab.driver.cpu()
  await Promise.all([...pods.slice(0, quietCount).map(lab.publish), sleep(60_000)])
  record(`API requests in a quiet minute of ${quietCount} volumes, 4 rotations each`, lab.api.requests.length, '')
  results['these were'] = Object.fromEntries(
    Map.groupBy(lab.api.requests, (line) => line.replace(/[?].*/, '').replace(/default\/(\w+)\/.*/, 'default/$1/NAME'))
      .entries()
      .map(([line, all]) => [line, all.length]),
  )
  console.log(results['these were'])
  record('provider calls in that minute', lab.provider.mounts.length - quietMounts, '')
  record('CPU of the driver in that minute', lab.driver.cpu() - cpuBeforeQuiet, 'ms')
  recordMemory(`memory with ${quietCount} volumes`)
  console.log(JSON.stringify({ bench: 'driver-node', results }))
} finally {
  await lab.stop()
  bundle.remove()
}
