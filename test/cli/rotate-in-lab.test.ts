import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources, statusAnnotations } from '#kubernetes/client'
import { startIdentityLab } from './identity-lab.ts'
import { createMountingPod, name, podReady } from './mounted-pod.ts'

test('rotate sees what has changed since a read of a moment ago: the value, and the right to read it', async (t) => {
  const lab = await startIdentityLab(t)
  const { vault } = await createMountingPod(lab, 'rotate-now')
  await podReady(lab)
  // The provider shares reads for five seconds; each of these runs is within that time of the last one.
  for (let i = 0; i < 3; i++) {
    await lab.azure.setSecret(vault, 'password', `value ${i}`)
    const { code, stdout, stderr } = await lab.keymount('rotate', name, '-n', 'default')
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, /^✓ changed: 1 pod \(orders\)\n {4}secret\/password {2}[0-9a-f]{32} → [0-9a-f]{32}\n$/)
  }
  const { stdout: unchanged } = await lab.keymount('rotate', name, '-n', 'default')
  assert.equal(unchanged, '✓ unchanged: 1 pod (orders)\n')

  assert.equal((await lab.keymount('status')).code, 0)
  const principalId = await lab.principalOf(name)
  await lab.azure.removeRole({ role: 'Key Vault Secrets User', principalId, vault })
  const { code, stdout } = await lab.keymount('rotate', name, '-n', 'default')
  assert.equal(code, 1)
  assert.match(stdout, /^✗ failed; the old files stay: 1 pod \(orders\)\n/)
  assert.match(stdout, /ForbiddenByRbac/)

  const status = await lab.keymount('status')
  assert.equal(status.code, 1)
  assert.match(status.stdout, /^Lab in .*: up$/m)
  assert.match(status.stdout, /^Mounted volumes: 1, 1 failing$/m)
  assert.match(status.stdout, /^ {2}✗ default\/orders: class orders, 1 object; the old files stay$/m)
  assert.match(status.stdout, /^ {6}failing since \S+Z \(\d+s ago\): PermissionDenied$/m)
  assert.match(status.stdout, /^ {6}.*ForbiddenByRbac/m)

  await lab.azure.assignRole({ role: 'Key Vault Secrets User', principalId, vault })
  assert.equal((await lab.keymount('rotate', name, '-n', 'default')).code, 0)
  assert.equal((await lab.keymount('status')).code, 0)

  const ref = { namespace: 'default', name: `${name}-default-${name}` }
  const annotations = { [statusAnnotations.staleSince]: '2026-11-28T14:02:00Z' }
  await lab.kube.patch(resources.secretProviderClassPodStatuses, ref, { metadata: { annotations } })
  const { code: staleCode, stdout: stale } = await lab.keymount('status')
  assert.equal(staleCode, 1)
  assert.match(stale, /^Mounted volumes: 1, 1 stale$/m)
  assert.match(
    stale,
    /^ {2}✗ default\/orders: class orders, 1 object\n {6}values of 2026-11-28T14:02:00Z \(.* ago\), because its vault could not answer/m,
  )
  const doctor = await lab.keymount('doctor', `pod/${name}`, '-n', 'default', '-o', 'json')
  assert.equal(doctor.code, 1)
  const { steps } = JSON.parse(doctor.stdout) as { steps: { id: string; state: string; code?: string }[] }
  assert.deepEqual(steps.find(({ state }) => state === 'fail')?.code, 'values-stale')
  assert.equal(steps.find(({ id }) => id === 'V1')?.state, 'fail')
  const summary = await lab.keymount('doctor')
  assert.equal(summary.code, 1)
  assert.match(summary.stdout, /✗ D1 files +\[values-stale\] 1 volume with values/)
})
