import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { cliCommand, cliEnvironment, runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** The words that are offered for the last one, without their descriptions. */
async function offered(...typed: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await runCli(['completion', 'words', '--', ...typed])
  assert.equal(code, 0, stderr)
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0] ?? '']))
}

test('commands, subcommands, options and the values of options are completed', async () => {
  assert.deepEqual(await offered('st'), ['status'])
  assert.ok((await offered('')).includes('completion'))
  assert.deepEqual(await offered('azure', 't'), ['throttle'])
  assert.deepEqual(await offered('azure', 'fault', 'shop', '--un'), ['--unreachable'])
  assert.deepEqual(await offered('identity', 'sa', 'create', 'phase', 'fed'), ['federated-identity'])
  assert.deepEqual(await offered('up', '--azure-'), ['--azure-port'])
  assert.deepEqual(await offered('up', '--ports', ''), ['fixed', 'free'])
  assert.deepEqual(await offered('completion', ''), ['bash', 'zsh', 'fish'], 'and what is hidden is not offered')
})

test('where a path or a name is expected, files are offered, and nothing else', async () => {
  assert.deepEqual(await offered('up', '--kubeconfig', './'), [':files'])
  assert.deepEqual(await offered('down', ''), [])
})

const shells = {
  bash: `COMP_WORDS=(keymount up --ports f); COMP_CWORD=3; _keymount; printf '%s\\n' "\${COMPREPLY[@]}"`,
  fish: `complete --do-complete 'keymount up --ports f'`,
} as const

/** A directory with a `keymount` that is the one under test. */
function programs(t: TestContext): string {
  const directory = temporaryDirectory(t)
  const [node, entry] = cliCommand
  writeFileSync(join(directory, 'keymount'), `#!/bin/sh\nexec '${node}' '${entry}' "$@"\n`, { mode: 0o755 })
  return directory
}

for (const [shell, script] of Object.entries(shells)) {
  const isMissing = spawnSync(shell, ['--version']).error !== undefined
  test(`${shell} completes with the script of keymount completion`, {
    skip: isMissing && `${shell} is not installed`,
  }, async (t) => {
    const { stdout: source } = await runCli(['completion', shell])
    const environment = cliEnvironment()
    const env = { ...environment, PATH: `${programs(t)}:${environment.PATH}` }
    const { stdout } = await promisify(execFile)(shell, ['-c', `${source}\n${script}`], { env })
    assert.deepEqual(stdout.trim().split(/\s+/), ['fixed', 'free'])
  })
}

test('the script of zsh is valid for zsh', {
  skip: spawnSync('zsh', ['--version']).error !== undefined && 'zsh is not installed',
}, async () => {
  const { stdout: source } = await runCli(['completion', 'zsh'])
  await promisify(execFile)('zsh', ['-n', '-c', source])
})

test('a shell that is not supported is refused with those that are', async () => {
  const { code, stderr } = await runCli(['completion', 'tcsh'])
  assert.equal(code, 2)
  assert.match(stderr, /bash, zsh, fish/)
})
