import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { temporaryHome } from './lab-in-temporary-home.ts'
import { clusterSkip, kubectlWith, labTools } from './lab-tools.ts'

const skip = clusterSkip() ?? (mayMount() ? false : 'needs the right to mount')
const pod = 'busybox-secrets-store-inline-wi'

test('up --example mounts a first secret, and a second time changes nothing that the user has changed', {
  skip,
}, async (t) => {
  const home = await temporaryHome(t)
  const { stderr } = await home.keymount('up', '--ports', 'free', '--example', '--rotation-poll-interval', '2s')
  assert.match(stderr, /Example .* ExampleSecret of vault keymount-example\n *in pod busybox-secrets-store-inline-wi/)
  const { az } = await labTools(t, home)
  const lab = await home.up()
  const kubectl = kubectlWith(lab.kubeconfig, home.path)
  await kubectl('wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s')
  const read = () => kubectl('exec', pod, '--', 'cat', '/mnt/secrets-store/ExampleSecret')
  assert.equal(await read(), 'MyAKSExampleSecret')

  await az('keyvault secret set --vault-name keymount-example --name ExampleSecret --value changed')
  const { code } = await home.keymount('up', '--example')
  assert.equal(code, 0)
  await eventually(async () => assert.equal(await read(), 'changed'), 30_000)
})
