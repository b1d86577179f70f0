/** The pre-commit hook and the GitHub Action call `keymount lint` with options that it has. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const root = join(import.meta.dirname, '../../..')
const read = (path: string): unknown => parse(readFileSync(join(root, path), 'utf8'))

const badClass = `apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: app}
spec: {provider: Azure, parameters: {keyvaultName: shop, tenantID: contoso.com, objects: "[]"}}
`

interface Action {
  inputs: Record<string, { default: string }>
  runs: { steps: { env: Record<string, string>; run: string }[] }
}

/** Runs the step as GitHub does. The packages are installed already: npm has nothing to do. */
async function runAction(t: Parameters<typeof temporaryDirectory>[0], inputs: Record<string, string>) {
  const { inputs: known, runs } = read('action.yml') as Action
  const [step] = runs.steps
  assert.ok(step !== undefined && runs.steps.length === 1)
  const directory = await temporaryDirectory(t)
  mkdirSync(join(directory, 'bin'))
  writeFileSync(join(directory, 'bin/npm'), '#!/bin/sh\n')
  chmodSync(join(directory, 'bin/npm'), 0o755)
  mkdirSync(join(directory, 'manifests'))
  writeFileSync(join(directory, 'manifests/app.yaml'), badClass)
  const inputOf = (text: string) => {
    const [, input] = /^\$\{\{ inputs\.([\w-]+) \}\}$/.exec(text) ?? []
    if (input === undefined) return root
    assert.ok(Object.hasOwn(known, input), input)
    return inputs[input] ?? known[input]?.default ?? ''
  }
  const env = Object.fromEntries(Object.entries(step.env).map(([name, text]) => [name, inputOf(text)]))
  const path = [join(directory, 'bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(':')
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { cwd: directory, env: { ...env, PATH: path, HOME: directory } }
    execFile('bash', ['-e', '-c', step.run], options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    )
  })
}

test('the GitHub Action annotates the lines with mistakes, and fails', async (t) => {
  const { code, stdout, stderr } = await runAction(t, { paths: 'manifests' })
  assert.match(stdout, /^::error file=manifests\/app\.yaml,line=4,col=8,title=KL001::/m, stderr)
  assert.equal(code, 1)
})

test('every input of the GitHub Action is an option of the command', async (t) => {
  const inputs = {
    paths: 'manifests manifests/app.yaml',
    strict: 'true',
    helm: 'true',
    kustomize: 'true',
    output: 'json',
  }
  const { code, stdout, stderr } = await runAction(t, { ...inputs, kubernetes: '1.30' })
  assert.equal(code, 1, stderr)
  assert.equal((JSON.parse(stdout) as { summary: { objects: number } }).summary.objects, 1)
})

test('the pre-commit hook calls the command', async (t) => {
  const [hook] = read('.pre-commit-hooks.yaml') as { id: string; entry: string; language: string; args: string[] }[]
  assert.deepEqual([hook?.id, hook?.language, hook?.entry], ['keymount-lint', 'node', 'keymount lint'])
  const directory = await temporaryDirectory(t)
  writeFileSync(join(directory, 'app.yaml'), badClass)
  const words = hook?.entry.split(' ').slice(1) ?? []
  const { code } = await runCli([...words, ...(hook?.args ?? []).map((path) => join(directory, path))])
  assert.equal(code, 1)
})
