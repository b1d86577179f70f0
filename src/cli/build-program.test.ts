import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CliWorld } from '#terminal'
import { runCli } from './program.ts'

async function helpOn(columns: number, ...words: string[]): Promise<string> {
  let text = ''
  const output = { write: (part: string) => (text += part), isTTY: true, columns }
  const world: CliWorld = {
    argv: [...words, '--help'],
    env: {},
    azureHttp: async () => ({}),
    stdout: output,
    stderr: output,
    packageRoot: '/',
    version: 'v0',
    cacheDirectory: '/',
    userHome: '/',
    programName: 'keymount',
    signal: new AbortController().signal,
  }
  assert.equal(await runCli(world), 0, text)
  return text
}

test('the help is as wide as the terminal; where there is no room for two columns, texts are below their terms', async () => {
  for (const columns of [50, 60, 80, 100]) {
    for (const words of [[], ['up'], ['identity', 'doctor'], ['identity', 'sa', 'create'], ['explain']]) {
      const lines = (await helpOn(columns, ...words)).split('\n')
      const long = lines.filter((line) => [...line].length > columns && !line.startsWith('Usage: '))
      assert.deepEqual(long, [], `${words.join(' ')} on ${columns} columns`)
    }
  }
  assert.match(await helpOn(50, 'up'), /^ {2}--port <port>\n {6}API server of the local cluster/m)
  assert.match(await helpOn(80, 'up'), /^ {2}--port <port> {2,}API server of the local cluster/m)
})
