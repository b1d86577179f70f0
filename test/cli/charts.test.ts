import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { helm, needsHelm } from '../packaging/charts/helm.ts'
import { cliCommand, cliEnvironment, runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('keymount charts serve is a repository for helm, and ends with Ctrl-C', needsHelm, async (t) => {
  const directory = temporaryDirectory(t)
  const [program, entry] = cliCommand
  const serving = spawn(program, [entry, 'charts', 'serve', '--port', '0'], {
    env: cliEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => serving.once('exit', resolve))
  t.after(() => serving.kill('SIGKILL'))
  const { value } = await createInterface({ input: serving.stdout })[Symbol.asyncIterator]().next()
  const [, url = ''] = /^helm repo add keymount (http:\/\/127\.0\.0\.1:\d+)$/.exec(String(value)) ?? []
  const env = {
    PATH: process.env.PATH ?? '',
    HELM_CONFIG_HOME: directory,
    HELM_CACHE_HOME: directory,
    HELM_DATA_HOME: directory,
  }
  const run = (...words: string[]) => promisify(execFile)(helm ?? 'helm', words, { env, cwd: directory })

  await run('repo', 'add', 'keymount', url)
  const { stdout } = await run('search', 'repo', 'keymount/', '-o', 'json')
  const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name).toSorted()
  assert.deepEqual(names, [
    'keymount/aad-pod-identity',
    'keymount/csi-secrets-store-provider-azure',
    'keymount/keymount',
    'keymount/secrets-store-sync-controller',
    'keymount/workload-identity-webhook',
  ])
  // A pinned version of upstream's finds the chart that stands for it; helm compares the digest.
  await run('pull', 'keymount/csi-secrets-store-provider-azure', '--version', '1.8.2')
  assert.ok((await readdir(directory)).some((name) => /^csi-secrets-store-provider-azure-1\.8\.2.*\.tgz$/.test(name)))

  serving.kill('SIGINT')
  assert.equal(await ended, 0)
})

test('keymount charts package writes what helm takes', needsHelm, async (t) => {
  const directory = temporaryDirectory(t)
  const { code, stdout } = await runCli(['charts', 'package', '--destination', directory])
  assert.equal(code, 0)
  const files = stdout.trim().split('\n')
  assert.equal(files.length, 5)
  for (const file of files) await promisify(execFile)(helm ?? 'helm', ['show', 'chart', file])
})

test('a port that is not one is refused', async () => {
  const { code, stderr } = await runCli(['charts', 'serve', '--port', '70000'])
  assert.equal(code, 2)
  assert.match(stderr, /Expected a port/)
})
