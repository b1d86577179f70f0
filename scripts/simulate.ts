// Seeded simulations of the parts that decide over time. `npm run simulate -- --seeds 1000 --from 1` runs that many seeds;
// `--seed N` runs one and prints its trace; `--scenario NAME` chooses what is simulated. It prints a line for every 500 seeds
// and a total at the end, also when it is interrupted.
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

const progressEvery = 500

const failed: SeedReport[] = []
const faults = new Map<string, number>()
let done = 0
let events = 0
let interrupted = false
const started = performance.now()
const from = wholeNumber('--from', values.seed ?? values.from)
const count = values.seed === undefined ? wholeNumber('--seeds', values.seeds) : 1

const print = (line: string) => process.stdout.write(`${line}\n`)
// The seed that runs is finished first.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true
  })
}

for (let seed = from; seed < from + count && !interrupted; seed++) {
  add(await runSeed(seed, values.scenario))
  if (done % progressEvery === 0 && done < count) print(progress(`seeds up to ${seed} of ${from + count - 1}`))
}
print(progress(interrupted ? `interrupted after ${done} of ${count} seeds` : `${count} seeds`))
print([...faults].map(([what, times]) => `${what} ${times}`).join(', '))
if (failed.length > 0) print(`failed: ${failed.map(({ seed }) => seed).join(' ')}; run one with --seed N`)
if (failed.length > 0 || interrupted) process.exitCode = 1

function add(report: SeedReport): void {
  const { seed, scenario, failure, trace } = report
  done++
  events += report.events
  for (const [what, times] of Object.entries(report.faults)) faults.set(what, (faults.get(what) ?? 0) + times)
  if (failure !== undefined) {
    failed.push(report)
    print(`seed ${seed} (${scenario}): ${failure}`)
  }
  if (values.seed !== undefined) print(`${trace.join('\n')}\n${failure ?? 'no failure'}`)
}

function progress(what: string): string {
  const seconds = (performance.now() - started) / 1000
  return `${what}: ${events} events, ${failed.length} failed, ${seconds.toFixed(1)} s (${(done / seconds).toFixed(1)} seeds a second)`
}

function wholeNumber(flag: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${flag}: found ${JSON.stringify(text)}; expected a whole number`)
  return Number(text)
}
