import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container, Pod } from '#kubernetes/client'
import { credentialsOf } from './credentials.ts'

const anything = { hasUser: () => true, hasGroup: () => true, maySetGroups: true, initialNamespace: true }
const onlyRoot = {
  hasUser: (id: number) => id === 0,
  hasGroup: (id: number) => id === 0,
  maySetGroups: false,
  initialNamespace: false,
}

const pod = (securityContext: Pod['spec']['securityContext'] = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {},
  spec: { containers: [], securityContext },
})
const container = (securityContext: Container['securityContext'] = {}): Container => ({ name: 'c', securityContext })

test('credentialsOf() prefers the container over the pod, and adds fsGroup', () => {
  const found = credentialsOf(pod({ runAsUser: 1, runAsGroup: 2, fsGroup: 3 }), container({ runAsUser: 4 }), anything)
  assert.deepEqual(found.arguments.slice(0, 4), ['--pdeathsig=KILL', '--reuid=4', '--regid=2', '--groups=3'])
  assert.deepEqual(found.refused, [])
})

test('credentialsOf() leaves out and reports what a user namespace cannot provide', () => {
  const found = credentialsOf(pod({ runAsUser: 1000, fsGroup: 3 }), container(), onlyRoot)
  assert.deepEqual(found.arguments.slice(0, 4), ['--pdeathsig=KILL', '--reuid=0', '--regid=0', '--keep-groups'])
  assert.deepEqual(found.refused, ['runAsUser 1000 is not mapped in this user namespace, runs as 0'])
})

test('credentialsOf() refuses root to a pod with runAsNonRoot', () => {
  const message = /runAsNonRoot and image will run as root/
  assert.throws(() => credentialsOf(pod({ runAsNonRoot: true }), container(), anything), message)
  credentialsOf(pod({ runAsNonRoot: true }), container({ runAsUser: 1 }), anything)
  credentialsOf(pod({ runAsNonRoot: true }), container({ runAsNonRoot: false }), anything)
})

test('credentialsOf() reads capabilities as people write them', () => {
  const bounding = (capabilities: { add?: string[]; drop?: string[] }) =>
    credentialsOf(pod(), container({ capabilities }), anything).arguments.find((word) => word.includes('bounding'))
  assert.equal(
    bounding({ drop: ['ALL'], add: ['NET_BIND_SERVICE', 'cap_kill'] }),
    '--bounding-set=-all,+net_bind_service,+kill',
  )
  assert.equal(bounding({ add: ['ALL'] }), '--bounding-set=+all')
  assert.doesNotMatch(bounding({ drop: ['MKNOD'] }) ?? '', /mknod/)
  assert.match(bounding({ add: ['SYS_PTRACE'] }) ?? '', /\+chown,.*\+sys_ptrace/)
  const privileged = credentialsOf(pod(), container({ privileged: true, allowPrivilegeEscalation: false }), anything)
  assert.ok(!privileged.arguments.some((word) => /bounding|no-new-privs/.test(word)))
})
