import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { exampleSkip as skip, startLabWithExample } from './lab-with-example.ts'

test('up --example mounts a first secret, and a second time changes nothing that the user has changed', {
  skip,
}, async (t) => {
  const { home, printed, az, read } = await startLabWithExample(t, '--rotation-poll-interval', '2s')
  assert.match(printed, /Example .* ExampleSecret of vault keymount-example\n *in pod busybox-secrets-store-inline-wi/)

  await az('keyvault secret set --vault-name keymount-example --name ExampleSecret --value changed')
  const { code } = await home.keymount('up', '--example')
  assert.equal(code, 0)
  await eventually(async () => assert.equal(await read(), 'changed'))
})
