/**
 * NodePublishVolume with a provider that answers at once: what the driver itself costs, p50 and p99 in milliseconds, for 1,
 * 10 and 100 files of 1 KiB, 100 KiB and 1 MiB. Each sample is a new pod: class read, tmpfs mounted, files written, status
 * object created. The driver is the image's bundle in a process of its own; provider, API server and caller share another.
 * Beside it, what does not depend on what else the machine does: the CPU time of the driver for a publish and its unpublish.
 * Aim: p50 of at most 8 ms for 10 files of 1 KiB. The last line is JSON.
 *
 *     node bin/node.mjs bench/driver-publish.ts [--files 10] [--bytes 1024] [--rounds 200] [--node-flag --cpu-prof]
 */
import { parseArgs } from 'node:util'
import { startDriverLab } from '../test/support/driver-lab.ts'
import { bundledDriver } from './support/driver-bundle.ts'
import { quantile, rounded } from './support/statistics.ts'

const mebibyte = 1024 * 1024
const { values } = parseArgs({
  options: {
    files: { type: 'string' },
    bytes: { type: 'string' },
    rounds: { type: 'string' },
    'node-flag': { type: 'string', multiple: true, default: [] },
  },
})
const counts = values.files === undefined ? [1, 10, 100] : [Number(values.files)]
const sizes = values.bytes === undefined ? [1024, 100 * 1024, mebibyte] : [Number(values.bytes)]

const bundle = await bundledDriver()
const limit = 128 * mebibyte
const lab = await startDriverLab({
  direct: true,
  command: [bundle.command[0] ?? '', ...values['node-flag'], ...bundle.command.slice(1)],
  flags: [`--max-call-recv-msg-size=${limit}`, `--volume-size-limit=${2 * limit}`],
})
try {
  const results: Record<string, { p50: number; p99: number; cpu: number; samples: number }> = {}
  for (const size of sizes) {
    const contents = Buffer.alloc(size, 'x')
    for (const count of counts) {
      lab.provider.answer = () => ({
        objectVersion: [{ id: 'a', version: '1' }],
        error: undefined,
        files: Array.from({ length: count }, (_, i) => ({ path: `file-${i}`, mode: 0o644, contents })),
      })
      const className = `class-${count}-${size}`
      await lab.createClass(className, ['foo'])
      const samples: number[] = []
      const rounds = Number(values.rounds ?? (count * size > 10 * mebibyte ? 5 : count * size > mebibyte ? 30 : 200))
      let cpuBefore = 0
      for (let i = 0; i < rounds + 5; i++) {
        if (i === 5) cpuBefore = lab.driver.cpu()
        const pod = await lab.pod(className)
        const startedAt = performance.now()
        await lab.publish(pod)
        if (i >= 5) samples.push(performance.now() - startedAt)
        await lab.unpublish(pod)
      }
      const cpu = rounded((lab.driver.cpu() - cpuBefore) / rounds)
      const row = { p50: rounded(quantile(samples, 0.5)), p99: rounded(quantile(samples, 0.99)), cpu, samples: rounds }
      results[`${count} x ${size / 1024} KiB`] = row
      console.log(
        `${String(count).padStart(3)} files of ${String(size / 1024).padStart(4)} KiB: p50 ${row.p50} ms, p99 ${row.p99} ms, CPU ${row.cpu} ms`,
      )
    }
  }
  console.log(JSON.stringify({ bench: 'driver-publish', milliseconds: results, aim: { '10 x 1 KiB': { p50: 8 } } }))
} finally {
  await lab.stop()
  bundle.remove()
}
