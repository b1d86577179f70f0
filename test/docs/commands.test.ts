/** Every `keymount` command in the blocks of the documentation exists, and so do its flags. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCli } from '../support/run-cli.ts'

const root = join(import.meta.dirname, '../..')

interface Documented {
  page: string
  /** Words after `keymount`, without values of flags: commands and arguments, then `--flags`. */
  words: string[]
  flags: string[]
}

const commands: Documented[] = globSync(['*.md', 'docs/*.md', 'examples/**/*.md'], { cwd: root }).flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```(?:bash|sh)\b[^\n]*\n([\s\S]*?)^```$/gm)].flatMap(
    ([, block = '']) =>
      [
        ...block.replaceAll('\\\n', ' ').matchAll(/(?:^|npx |[;&(] ?|node \S*\/)keymount(?:\.mjs)? ([a-z][^\n]*)/gm),
      ].map(([, rest = '']) => documented(page, rest)),
  ),
)

function documented(page: string, rest: string): Documented {
  const [line = ''] = rest.split(/ -- | *[#|;&)>]/)
  const all = line.trim().split(/\s+/)
  const flags = all.filter((word) => word.startsWith('-')).map((word) => word.split('=', 1)[0] ?? '')
  const first = all.findIndex((word) => word.startsWith('-'))
  return { page, words: first < 0 ? all : all.slice(0, first), flags }
}

test('the documentation has commands of keymount', () => {
  assert.ok(commands.length > 30, `found only ${commands.length}`)
})

const helps = new Map<string, Promise<string>>()

/** The help of the command that these words name; words after it are its arguments. Fails for a command that does not exist. */
async function helpOf(words: readonly string[], depth = 1): Promise<string> {
  const text = await help(words.slice(0, depth))
  const [, list = ''] = text.split('\nCommands:\n')
  const [names = ''] = list.split('\n\n')
  const below = [...names.matchAll(/^ {2}([a-z-]+)(?:\|([a-z-]+))?/gm)].flatMap(([, name, alias]) => [name, alias])
  const isGroup = below.some((name) => name !== undefined && name !== 'help')
  const next = words[depth]
  if (!isGroup || next === undefined) return text
  assert.ok(below.includes(next), `"${words.slice(0, depth).join(' ')}" has no command "${next}":\n${text}`)
  return helpOf(words, depth + 1)
}

function help(words: readonly string[]): Promise<string> {
  const key = words.join(' ')
  const running =
    helps.get(key) ??
    runCli([...words, '--help'], { COLUMNS: '200' }).then(({ code, stdout, stderr }) => {
      assert.equal(code, 0, `keymount ${key} --help: ${stderr}`)
      return stdout
    })
  helps.set(key, running)
  return running
}

for (const { page, words, flags } of commands) {
  test(`${page}: keymount ${[...words, ...flags].join(' ')}`, async () => {
    const text = await helpOf(words)
    assert.deepEqual(
      flags.filter((flag) => !new RegExp(`(?:^|[\\s,])${flag}(?![\\w-])`, 'm').test(text)),
      [],
      text,
    )
  })
}
