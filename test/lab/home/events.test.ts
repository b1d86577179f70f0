import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { temporaryHome } from './lab-in-temporary-home.ts'
import { clusterSkip, kubectlWith, labTools } from './lab-tools.ts'

const skip = clusterSkip() ?? (mayMount() ? false : 'needs the right to mount')
const pod = 'busybox-secrets-store-inline-wi'

test('up --events pushes a change to the pod, which is polled once an hour; events status shows it', {
  skip,
}, async (t) => {
  const home = await temporaryHome(t)
  const { code, stderr } = await home.keymount(
    ...['up', '--ports', 'free', '--example', '--events', '--rotation-poll-interval', '1h'],
  )
  assert.equal(code, 0, stderr)
  assert.match(stderr, /Events .* 1 vault is subscribed to/)
  const { az } = await labTools(t, home)
  const lab = await home.up()
  const kubectl = kubectlWith(lab.kubeconfig, home.path)
  await kubectl('wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s')
  const read = () => kubectl('exec', pod, '--', 'cat', '/mnt/secrets-store/ExampleSecret')
  assert.equal(await read(), 'MyAKSExampleSecret')

  await az('keyvault secret set --vault-name keymount-example --name ExampleSecret --value pushed')
  await eventually(async () => assert.equal(await read(), 'pushed'), 60_000)
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
