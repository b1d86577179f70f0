import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { exampleSkip as skip, startLabWithExample } from './lab-with-example.ts'

test('up --events pushes a change to the pod, which is polled once an hour; events status shows it', {
  skip,
}, async (t) => {
  const { home, lab, printed, az, read } = await startLabWithExample(t, '--events', '--rotation-poll-interval', '1h')
  assert.match(printed, /Events .* 1 vault is subscribed to/)

  await az('keyvault secret set --vault-name keymount-example --name ExampleSecret --value pushed')
  await eventually(async () => assert.equal(await read(), 'pushed'))
  const status = await home.keymount('events', 'status', '--kubeconfig', lab.kubeconfig)
  assert.equal(status.code, 0, `${status.stdout}${status.stderr}`)
  assert.match(status.stdout, /✓ queue: answers/)
  assert.match(status.stdout, /last event: 20\d\d-/)
  assert.match(
    status.stdout,
    /default\/azure-kvname-wi: .* ago, https:\/\/keymount-example\.vault\.azure\.net\/secrets\/ExampleSecret/,
  )

  // A vault that comes later is subscribed to by another "up --events".
  await az('keyvault create --name keymount-second --resource-group keymount-example --location westeurope')
  const again = await home.keymount('up', '--events')
  assert.match(again.stderr, /Events .* 2 vaults are subscribed to/)
})
