import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runCli } from '../support/run-cli.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8')
const documented = [...page.matchAll(/^## (\S+)$/gm)].map(([, code = '']) => code)

test('explain prints the meaning of a code and its fix, with commands that can be pasted on lines of their own', async () => {
  const { code, stdout, stderr } = await runCli(['explain', 'vault-forbidden'])
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^vault-forbidden \(reported by the provider, gRPC PERMISSION_DENIED\)$/m)
  assert.match(
    stdout,
    /^ {4}az role assignment create --role "Key Vault Secrets User" --assignee CLIENT_ID --scope VAULT_ID$/m,
  )
  assert.match(stdout, /^ {4}keymount doctor pod\/POD -n NAMESPACE --azure$/m)
  assert.doesNotMatch(stdout, /`/)
})

test('explain without a code lists the codes of docs/errors.md, in 80 columns', async () => {
  const { code, stdout } = await runCli(['explain'])
  assert.equal(code, 0)
  assert.deepEqual(stdout.match(/^[a-z-]+$/gm), documented)
  assert.ok(stdout.split('\n').every((line) => line.length <= 80))
})

test('explain takes the whole text of an event, and explains each code in it once', async () => {
  const event =
    'MountVolume.SetUp failed for volume "v" : rpc error: code = NotFound desc = [vault-object-missing] failed to get a; [vault-object-disabled] failed to get b, err: [vault-object-missing]'
  const { stdout } = await runCli(['explain', event])
  assert.deepEqual(stdout.match(/^[a-z-]+(?= \()/gm), ['vault-object-missing', 'vault-object-disabled'])
})

test('explain -o json and --json print the same for programs', async () => {
  const { stdout } = await runCli(['explain', 'provider-not-found', '-o', 'json'])
  const found = JSON.parse(stdout) as Record<string, string>
  assert.deepEqual([found.code, found.reportedBy, found.grpc], ['provider-not-found', 'driver', 'UNKNOWN'])
  assert.ok(found.meaning && found.fix)
  assert.equal((await runCli(['explain', 'provider-not-found', '--json'])).stdout, stdout)
  const all = JSON.parse((await runCli(['explain', '--json'])).stdout) as { code: string }[]
  assert.deepEqual(
    all.map((one) => one.code),
    documented,
  )
})

test('explain of a code that does not exist names the nearest one, with status 2', async () => {
  const { code, stdout, stderr } = await runCli(['explain', 'vault-forbiden'])
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(
    stderr,
    /^keymount: There is no error code "vault-forbiden"\n {2}fix {2}did you mean vault-forbidden\?\n/,
  )
})
