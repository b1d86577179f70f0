// Seeded simulations of the parts that decide over time. `npm run simulate -- --seeds 1000 --from 1` runs that many seeds;
// `--seed N` runs one and prints its trace; `--scenario NAME` chooses what is simulated.
import { parseArgs } from 'node:util'
import { runSeed, type SeedReport } from '../test/simulation/run-seed.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    scenario: { type: 'string' },
  },
})

const failed: SeedReport[] = []
const faults = new Map<string, number>()
let events = 0
const started = performance.now()
const from = Number(values.seed ?? values.from)
const count = values.seed === undefined ? Number(values.seeds) : 1
for (let seed = from; seed < from + count; seed++) {
  const report = await runSeed(seed, values.scenario)
  events += report.events
  for (const [what, times] of Object.entries(report.faults)) faults.set(what, (faults.get(what) ?? 0) + times)
  if (report.failure !== undefined) {
    failed.push(report)
    process.stdout.write(`seed ${seed} (${report.scenario}): ${report.failure}\n`)
  }
  if (values.seed !== undefined) process.stdout.write(`${report.trace.join('\n')}\n${report.failure ?? 'no failure'}\n`)
}
const seconds = ((performance.now() - started) / 1000).toFixed(1)
const total = [...faults].map(([what, times]) => `${what} ${times}`).join(', ')
process.stdout.write(`${count} seeds, ${events} events, ${seconds} s; ${total}\n`)
if (failed.length > 0) {
  process.stdout.write(`failed: ${failed.map(({ seed }) => seed).join(' ')}; run one with --seed N\n`)
  process.exitCode = 1
}
