import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { mayHavePodNetwork } from '../support/may-have-pod-network.ts'
import { followWalkthrough } from './follow-walkthrough.ts'
import { parseWalkthrough } from './parse-walkthrough.ts'
import { reasonToSkipWalkthroughs, type WalkthroughLab, walkthroughLab } from './walkthrough-lab.ts'

/**
 * Published walk-throughs, followed with the real az, kubectl and helm, as their readers would: all but the last in one lab.
 * Those of one row go on with what the one before has made, in the same terminal.
 */
const rows: readonly (readonly string[])[] = [
  ['key-vault-add-on', 'identities-for-the-add-on'],
  ['workload-identity-and-policies'],
  ['workload-identity-with-an-application'],
]

/** Pods that get pod identity need networks of their own; without these, a part of it is skipped. */
const withPodNetwork = ['service-principal-and-pod-identity']

const skip = reasonToSkipWalkthroughs()

test('published walk-throughs', skip === undefined ? {} : { skip }, async (t) => {
  const lab = await walkthroughLab(t)
  for (const names of rows) await t.test(names.join(', '), (row) => followRow(row, lab, names))
})

test('the walk-through with pod identity', skip === undefined ? {} : { skip }, async (t) => {
  const lab = await walkthroughLab(t, ...(mayHavePodNetwork() ? ['--pod-network'] : []))
  await followRow(t, lab, withPodNetwork)
})

async function followRow(row: TestContext, lab: WalkthroughLab, names: readonly string[]): Promise<void> {
  const terminal = await lab.terminal(row)
  for (const name of names) {
    const walkthrough = parseWalkthrough(readFileSync(join(import.meta.dirname, `${name}.md`), 'utf8'))
    let ended = false
    await row.test(walkthrough.title, async (walk) => {
      ended = await followWalkthrough(walk, walkthrough, terminal)
    })
    if (!ended) break
  }
}
