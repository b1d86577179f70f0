import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryHome } from '../lab/home/lab-in-temporary-home.ts'

test('commands of the lab print their result for programs with -o json and with --json', async (t) => {
  const home = await temporaryHome(t)
  await home.up()
  const json = async (...words: string[]) => {
    const { code, stdout, stderr } = await home.keymount(...words)
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout) as unknown
  }
  assert.deepEqual(await json('azure', 'vault', 'create', 'settings', '--secret', 'a=b', '-o', 'json'), {
    name: 'settings',
    url: 'https://settings.vault.azure.net/',
    secrets: ['a'],
  })
  const other = await home.keymount('azure', 'vault', 'create', 'other', '--secret', 'a=b')
  assert.equal(other.stdout, 'https://other.vault.azure.net/ has 1 secret.\n')
  const host = 'settings.vault.azure.net'
  assert.deepEqual(await json('azure', 'throttle', 'settings', '--for', '90s', '--json'), {
    host,
    fault: { kind: 'throttle', retryAfterSeconds: 1, forSeconds: 90 },
  })
  assert.deepEqual(Object.keys((await json('azure', 'faults', '-o', 'json')) as object), [host])
  assert.deepEqual(await json('azure', 'throttle', 'settings', '--off', '-o', 'json'), { host, fault: null })
  const result = { home: home.path, exists: true }
  assert.deepEqual(await json('down', '-o', 'json'), { ...result, wasUp: true, stateDeleted: false })
  assert.deepEqual(await json('down', '--delete-state', '--json'), { ...result, wasUp: false, stateDeleted: true })
  assert.deepEqual(await json('down', '--json'), { ...result, exists: false, wasUp: false, stateDeleted: false })
})
