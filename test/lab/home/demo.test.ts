import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { runCli } from '../../support/run-cli.ts'

test('the demo shows and checks the main job, plain in a pipe, and leaves nothing', async () => {
  const { code, stdout, stderr } = await runCli(['demo'])
  assert.equal(code, 0, stdout + stderr)
  assert.equal(stderr, '')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what must not be there
  assert.doesNotMatch(stdout, /\u001b/)
  for (const title of ['Vault', 'Identity', 'Pod', 'File', 'New value', 'Wrong subject', 'Fixed', 'Clean-up']) {
    assert.match(stdout, new RegExp(`^✓ ${title} `, 'm'))
  }
  assert.match(stdout, /AADSTS700213/)
  const home = /in a lab of its own, (\S+)/.exec(stdout)?.[1] ?? ''
  assert.ok(home !== '' && !existsSync(home))
})
