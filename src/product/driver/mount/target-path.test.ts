import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTargetPath } from './target-path.ts'

const expected = { podUid: 'd5a3', volume: 'secrets' }
for (const path of [
  '/var/lib/kubelet/pods/d5a3/volumes/kubernetes.io~csi/secrets/mount',
  '/opt/rke/var/lib/kubelet/pods/d5a3/volumes/kubernetes.io~csi/secrets/mount/',
  'data/kubelet/pods/d5a3/volumes/kubernetes.io~csi/secrets/mount',
  'C:\\var\\lib\\kubelet\\pods\\d5a3\\volumes\\kubernetes.io~csi\\secrets\\mount',
  'C:\\\\var\\\\lib\\\\kubelet\\\\pods\\\\d5a3\\\\volumes\\\\kubernetes.io~csi\\\\secrets\\\\mount',
  'c:/var/lib/kubelet/pods/d5a3/volumes/kubernetes.io~csi/secrets/mount',
]) {
  test(`parseTargetPath() reads ${path}`, () => assert.deepEqual(parseTargetPath(path), expected))
}

for (const path of [
  '',
  '/tmp/csi/mount',
  '/var/lib/kubelet/pods/d5a3/volumes/kubernetes.io~csi/secrets',
  '/var/lib/kubelet/pods/d5a3/volumes/kubernetesXio~csi/secrets/mount',
  '/var/lib/kubelet/pods/d5a3/volumes/kubernetes.io~secret/secrets/mount',
  '/var/lib/kubelet/pods/volumes/kubernetes.io~csi/secrets/mount',
]) {
  test(`parseTargetPath() knows nothing of "${path}"`, () => assert.equal(parseTargetPath(path), undefined))
}
