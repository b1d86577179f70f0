import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { followWalkthrough } from './follow-walkthrough.ts'
import { parseWalkthrough } from './parse-walkthrough.ts'
import { reasonToSkipWalkthroughs, walkthroughLab } from './walkthrough-lab.ts'

/**
 * Published walk-throughs, followed in one lab with the real az, kubectl and helm, as their readers would. Those of one row
 * go on with what the one before has made, in the same terminal.
 */
const rows: readonly (readonly string[])[] = [
  ['key-vault-add-on', 'identities-for-the-add-on'],
  ['workload-identity-and-policies'],
  ['workload-identity-with-an-application'],
  ['service-principal-and-pod-identity'],
]

const skip = reasonToSkipWalkthroughs()

test('published walk-throughs', skip === undefined ? {} : { skip }, async (t) => {
  const lab = await walkthroughLab(t)
  for (const names of rows) {
    await t.test(names.join(', '), async (row) => {
      const terminal = await lab.terminal(row)
      for (const name of names) {
        const walkthrough = parseWalkthrough(readFileSync(join(import.meta.dirname, `${name}.md`), 'utf8'))
        let ended = false
        await row.test(walkthrough.title, async (walk) => {
          ended = await followWalkthrough(walk, walkthrough, terminal)
        })
        if (!ended) break
      }
    })
  }
})
