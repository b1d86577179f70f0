import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exceptionsFromProxy } from './emulator/client-variables.ts'
import { restoredVariables } from './lab-variables.ts'
import { originalEnvironment } from './original-environment.ts'

const shell = {
  HTTPS_PROXY: 'http://127.0.0.1:18443',
  https_proxy: 'http://127.0.0.1:18443',
  KEYMOUNT_ORIGINAL_https_proxy: 'http://proxy.example:3128',
  PATH: '/bin',
}

test('the original environment has the saved values, also after a second run of env', () => {
  assert.equal(originalEnvironment(shell).https_proxy, 'http://proxy.example:3128')
  assert.equal(originalEnvironment(shell).PATH, '/bin')
})

test('what undoes env restores saved values and removes the lab from everything else', () => {
  const restored = restoredVariables(shell)
  assert.equal(restored.https_proxy, 'http://proxy.example:3128')
  assert.ok('HTTPS_PROXY' in restored && restored.HTTPS_PROXY === undefined)
  assert.ok('KEYMOUNT_ORIGINAL_https_proxy' in restored && restored.KEYMOUNT_ORIGINAL_https_proxy === undefined)
  assert.ok(!('PATH' in restored))
})

test('what undoes env --admin restores or removes the variables of credentials, which env alone leaves as they are', () => {
  const admin = {
    AZURE_CLIENT_ID: 'lab',
    KEYMOUNT_ORIGINAL_AZURE_CLIENT_ID: '',
    KEYMOUNT_ORIGINAL_AZURE_TENANT_ID: 'own',
  }
  const restored = restoredVariables({ ...shell, ...admin })
  assert.equal(restored.AZURE_TENANT_ID, 'own')
  assert.ok('AZURE_CLIENT_ID' in restored && restored.AZURE_CLIENT_ID === undefined)
  assert.equal(originalEnvironment(admin).AZURE_CLIENT_ID, undefined)
  assert.ok(!('AZURE_CLIENT_ID' in restoredVariables(shell)))
})

test('exceptions from the proxy keep those of the user, except the ones that would bypass the lab', () => {
  const env = { no_proxy: '*, intranet.example ,.azure.com,VAULT.azure.net,login.microsoftonline.com,10.0.0.0/8' }
  assert.equal(exceptionsFromProxy(env, ['api.example']), '127.0.0.1,localhost,api.example,intranet.example,10.0.0.0/8')
  assert.equal(exceptionsFromProxy({}), '127.0.0.1,localhost')
})
