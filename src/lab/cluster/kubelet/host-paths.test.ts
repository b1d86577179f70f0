import assert from 'node:assert/strict'
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../../../../test/support/temporary-directory.ts'
import { createHostPaths } from './host-paths.ts'

function start(t: TestContext) {
  const stateDir = realpathSync(temporaryDirectory(t))
  const kubeletRoot = join(stateDir, 'kubelet')
  mkdirSync(kubeletRoot)
  return { stateDir, kubeletRoot, paths: createHostPaths({ stateDir, kubeletRoot }) }
}

test('a path of the node is in the state directory, and so is every way out of it', (t) => {
  const { stateDir, kubeletRoot, paths } = start(t)
  const rows: Record<string, string> = {
    '/etc/kubernetes/azure.json': join(stateDir, 'node/etc/kubernetes/azure.json'),
    '/var/run/x': join(stateDir, 'node/run/x'),
    '/': join(stateDir, 'node'),
    '/a/../../etc/../b': join(stateDir, 'node/b'),
    '/var/lib/kubelet': kubeletRoot,
    '/var/lib/kubelet/pods/': join(kubeletRoot, 'pods'),
    '/var/lib/kubelet-other': join(stateDir, 'node/var/lib/kubelet-other'),
    [join(stateDir, 'shared')]: join(stateDir, 'shared'),
    [`${stateDir}/../x`]: join(stateDir, 'node', stateDir, '../x'),
  }
  for (const [path, expected] of Object.entries(rows)) assert.equal(paths.onMachine(path), expected, path)
})

test('a link of the node that leads out of it is refused, wherever it is on the way', (t) => {
  const { stateDir, paths } = start(t)
  symlinkSync('/etc', join(stateDir, 'node/opt/link'))
  symlinkSync('/nothing/there', join(stateDir, 'node/opt/dangling'))
  symlinkSync('../../../../../../../../etc', join(stateDir, 'node/opt/up'))
  for (const path of [
    '/opt/link',
    '/opt/link/passwd',
    '/opt/link/new/directory',
    '/opt/dangling',
    '/opt/dangling/x',
    '/opt/up',
  ]) {
    assert.throws(() => paths.onMachine(path), /leads out of the node through a symbolic link/, path)
  }
})

test('a driver that registered below the standard root gets paths below it', (t) => {
  const { kubeletRoot, paths } = start(t)
  const target = join(kubeletRoot, 'pods/uid/mount')
  assert.equal(paths.forDriver('/var/lib/kubelet/plugins/d/csi.sock', target), '/var/lib/kubelet/pods/uid/mount')
  assert.equal(paths.forDriver(join(kubeletRoot, 'plugins/d/csi.sock'), target), target)
})
