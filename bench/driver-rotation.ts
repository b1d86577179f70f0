/**
 * How exactly a node rotates by the real clock: 50 volumes of the default interval and 10 of a class with its own
 * `syncInterval`, republished once a minute as kubelet does. Prints by how much the time between two checks of a volume differs
 * from its interval, and how far apart the volumes of one tick are. Aim: within a second on an idle node. The last line is JSON.
 *
 *   node bench/driver-rotation.ts [--interval 2m] [--sync-interval 45s] [--minutes 9]
 */
import { sleep } from '#lib'
import { parseDuration } from '#lib/formats'
import { startDriverLab } from '../test/support/driver-lab.ts'
import { bundledDriver } from './support/driver-bundle.ts'
import { benchOptions } from './support/options.ts'
import { quantile } from './support/statistics.ts'

const options = benchOptions({ interval: '2m', 'sync-interval': '45s', minutes: 9 })
const classes = [
  { name: 'usual', interval: options.interval, pods: 50 },
  { name: 'own', interval: options['sync-interval'], pods: 10 },
]
const kubeletMs = 60_000

const bundle = await bundledDriver()
const lab = await startDriverLab({
  command: bundle.command,
  flags: ['--enable-secret-rotation', `--rotation-poll-interval=${options.interval}`],
})
/** Moments at which the provider was asked for a pod, in milliseconds. */
const asked = new Map<string, number[]>()
lab.provider.answer = ({ attributes }) => {
  const uid = (JSON.parse(attributes) as Record<string, string>)['csi.storage.k8s.io/pod.uid'] ?? ''
  asked.set(uid, [...(asked.get(uid) ?? []), performance.now()])
  const files = [{ path: 'foo', mode: 0o644, contents: Buffer.from('unchanged') }]
  return { objectVersion: [{ id: 'secret/foo', version: 'v1' }], error: undefined, files }
}

try {
  await lab.createClass('usual', ['foo'])
  await lab.createClass('own', ['foo'], { parameters: { syncInterval: options['sync-interval'] } })
  const pods = await Promise.all(
    classes.map(async ({ name, interval, pods: count }) => ({
      name,
      intervalMs: parseDuration(interval) ?? Number.NaN,
      pods: await Promise.all(Array.from({ length: count }, () => lab.pod(name))),
    })),
  )
  const all = pods.flatMap((each) => each.pods)
  const end = performance.now() + options.minutes * 60_000
  while (performance.now() < end) {
    await Promise.all(all.map(lab.publish))
    await sleep(Math.min(kubeletMs, Math.max(end - performance.now(), 0)))
  }
  const rows = Object.fromEntries(pods.map(({ name, intervalMs, pods: some }) => [name, rowOf(intervalMs, some)]))
  console.table(rows)
  console.log(JSON.stringify({ bench: 'driver-rotation', milliseconds: rows, aim: { slowest: 1000 } }))
} finally {
  await lab.stop()
  bundle.remove()
}

function rowOf(intervalMs: number, pods: readonly { uid: string }[]) {
  // The first is the mount; from the second on they are ticks.
  const ticks = pods.map(({ uid }) => (asked.get(uid) ?? []).slice(1))
  const offBy = ticks.flatMap((times) => times.slice(1).map((time, i) => Math.abs(time - (times[i] ?? 0) - intervalMs)))
  const spreads = (ticks[0] ?? []).map((_, i) => {
    const moments = ticks.map((times) => times[i] ?? Number.NaN)
    return Math.max(...moments) - Math.min(...moments)
  })
  return {
    interval: intervalMs,
    checks: offBy.length,
    'off by, p50': Math.round(quantile(offBy, 0.5)),
    'off by, at most': Math.round(Math.max(...offBy)),
    'apart in one tick, at most': Math.round(Math.max(...spreads)),
  }
}
