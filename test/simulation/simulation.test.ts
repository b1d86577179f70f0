import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptSeeds } from './kept-seeds.ts'
import { runSeed, scenarios } from './run-seed.ts'

const seedsOfEachRun = 200

test('two runs of one seed are the same, event by event', async () => {
  for (const { name } of scenarios) {
    const [first, second] = [await runSeed(7, name), await runSeed(7, name)]
    assert.deepEqual([second.digest, second.events], [first.digest, first.events], name)
    assert.notEqual((await runSeed(8, name)).digest, first.digest, name)
  }
})

test(`every invariant holds for the seeds from 1 to ${seedsOfEachRun}`, async (t) => {
  const faults = new Map<string, number>()
  const failed: string[] = []
  let events = 0
  for (let seed = 1; seed <= seedsOfEachRun; seed++) {
    const report = await runSeed(seed)
    events += report.events
    for (const [what, times] of Object.entries(report.faults)) faults.set(what, (faults.get(what) ?? 0) + times)
    if (report.failure !== undefined) failed.push(`seed ${seed} (${report.scenario}): ${report.failure}`)
  }
  t.diagnostic(`${seedsOfEachRun} seeds, ${events} events; npm run simulate -- --seed N shows one`)
  assert.deepEqual(failed, [])
  // A simulation without faults would prove nothing.
  for (const what of ['crash', 'request lost', 'request answer lost', 'request 429', 'silent watch', 'provider hangs'])
    assert.ok((faults.get(what) ?? 0) > 0, `no ${what}`)
})

for (const { scenario, seed, found } of keptSeeds) {
  test(`${scenario}, seed ${seed}: ${found}`, async () => {
    const { failure, trace } = await runSeed(seed, scenario)
    assert.equal(failure, undefined, trace.slice(-30).join('\n'))
  })
}
