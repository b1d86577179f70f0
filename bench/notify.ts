/**
 * Rotations of a volume in memory, each of which the sidecar has to answer by one request: how many were missed, how many
 * requests came without a rotation, and how long each took. The last line is JSON.
 *
 * Argument: rotations (default 10,000).
 */
import { silentLog, sleep } from '#lib'
import { notifyProgram, startNotifyDaemon } from '#product/notify'
import { createVolume, startReloadable } from '../test/product/notify/notify-lab.ts'
import { configOf } from '../test/support/config-of.ts'
import { createCleanup } from './support/cleanup.ts'
import { quantile, rounded } from './support/statistics.ts'

const rotations = Number(process.argv[2] ?? 10_000)
const patienceMs = 30_000

const cleanup = createCleanup()
try {
  const volume = createVolume()
  cleanup.t.after(() => volume.remove())
  const app = await startReloadable()
  cleanup.t.after(() => app.close())
  const config = configOf(notifyProgram, [`--watch=${volume.directory}`, '--settle=0s', `--post=${app.url}`])
  const running = await startNotifyDaemon(config, { log: silentLog, exit: () => {} })
  cleanup.t.after(() => running.stop())
  await sleep(500)
  const latencies: number[] = []
  let missed = 0
  for (let turn = 0; turn < rotations; turn++) {
    const requested = app.next().then(() => true)
    const startedAt = performance.now()
    volume.rotate(`value ${turn}`)
    if (await Promise.race([requested, sleep(patienceMs).then(() => false)]))
      latencies.push(performance.now() - startedAt)
    else missed++
  }
  await sleep(1000)
  const spurious = app.count - (rotations - missed)
  const ms = { p50: rounded(quantile(latencies, 0.5)), p99: rounded(quantile(latencies, 0.99)) }
  console.log(
    `${rotations} rotations: ${missed} missed, ${spurious} without a rotation; p50 ${ms.p50} ms, p99 ${ms.p99} ms`,
  )
  console.log(JSON.stringify({ rotations, missed, spurious, ...ms }))
  if (missed > 0 || spurious > 0) process.exitCode = 1
} finally {
  await cleanup.run()
}
