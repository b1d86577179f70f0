/**
 * Memory of the bundled driver over 10,000 cycles of publish and unpublish (or the number given as argument), and when it has
 * come to rest: flat means no leak. Eight pods go round at a time. The last line is JSON.
 */
import { sleep } from '#lib'
import { startDriverLab } from '../test/support/driver-lab.ts'
import { bundledDriver } from './support/driver-bundle.ts'
import { rounded } from './support/statistics.ts'

const cycles = Number(process.argv[2] ?? 10_000)
const parallel = 8
/** Garbage of the last work is collected within half a minute. */
const quietMs = 35_000

const bundle = await bundledDriver()
const lab = await startDriverLab({ command: bundle.command, flags: ['--enable-secret-rotation', '--v=0'] })
const memory: { cycles: number; pss: number; anonymous: number }[] = []
const look = (done: number) => {
  const now = { cycles: done, ...lab.driver.memory() }
  memory.push(now)
  console.log(`after ${done} cycles: ${now.pss} MiB, ${now.anonymous} of them not shared with other Node processes`)
}
try {
  await lab.createClass('web', ['foo', 'fookey'])
  const pods = await Promise.all(Array.from({ length: parallel }, () => lab.pod('web')))
  look(0)
  const startedAt = performance.now()
  for (let done = 0; done < cycles; ) {
    const until = Math.min(done + cycles / 10, cycles)
    while (done < until) {
      await Promise.all(pods.map(lab.publish))
      await Promise.all(pods.map(lab.unpublish))
      done += parallel
      lab.provider.mounts.length = 0
      lab.api.requests.length = 0
    }
    look(done)
  }
  const perSecond = rounded((cycles / (performance.now() - startedAt)) * 1000)
  await sleep(quietMs)
  look(cycles)
  console.log(JSON.stringify({ bench: 'driver-cycles', cycles, cyclesPerSecond: perSecond, memory }))
} finally {
  await lab.stop()
  bundle.remove()
}
