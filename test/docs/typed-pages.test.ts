/** Pages whose commands are typed into a shell of the lab, as a reader would. */
import { readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { followWalkthrough } from '../walkthroughs/follow-walkthrough.ts'
import { parseWalkthrough } from '../walkthroughs/parse-walkthrough.ts'
import { reasonToSkipWalkthroughs, walkthroughLab } from '../walkthroughs/walkthrough-lab.ts'

const root = join(import.meta.dirname, '../..')

const skip = reasonToSkipWalkthroughs()

const pages = [
  { page: 'docs/install.md', flags: [] },
  { page: 'docs/secret-sync.md', flags: ['--example', '--sync'] },
  { page: 'examples/README.md', flags: ['--example', '--secret-sync'] },
]

for (const { page, flags } of pages) {
  test(`a reader can type ${page}`, { skip: skip ?? false }, async (t) => {
    const { terminal } = await walkthroughLab(t, ...flags)
    const typing = await terminal(t)
    for (const name of readdirSync(root)) symlinkSync(join(root, name), join(typing.directory, name))
    const walkthrough = parseWalkthrough(withoutPlainBlocks(readFileSync(join(root, page), 'utf8')))
    await followWalkthrough(t, walkthrough, typing)
  })
}

/**
 * A page of the documentation also has blocks that are not typed, such as ```` ```bash ````. Typed ones have a role after the
 * language, as in the walk-throughs: ```` ```bash written ````. Steps that a reader does not need are in HTML comments.
 */
function withoutPlainBlocks(markdown: string): string {
  let info: string | undefined
  const lines = markdown.split('\n').map((line) => {
    const isFence = line.startsWith('```')
    const isPlain = /^\w*$/.test(info ?? (isFence ? line.slice(3) : '-')) && info !== 'prints' && line !== '```prints'
    if (isFence) info = info === undefined ? line.slice(3) : undefined
    return isPlain ? '' : line // an empty line, so that messages have the line of the page
  })
  return lines.join('\n')
}
