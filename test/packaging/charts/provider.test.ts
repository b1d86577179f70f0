import assert from 'node:assert/strict'
import { test } from 'node:test'
import { daemonSets, needsHelm, template } from './helm.ts'

const clouds = '/etc/keymount/clouds'

test(
  'environment files come from a ConfigMap or from the nodes, and the provider gets their directory',
  needsHelm,
  async () => {
    for (const [cloudFiles, source] of [
      [{ configMap: 'stack-hub' }, { configMap: { name: 'stack-hub' } }],
      [{ hostPath: '/etc/kubernetes' }, { hostPath: { path: '/etc/kubernetes', type: 'Directory' } }],
    ] as const) {
      for (const combined of [false, true]) {
        const text = JSON.stringify(daemonSets(await template({ cloudFiles, combined })))
        assert.ok(text.includes(`--cloud-files=${clouds}`), text)
        assert.ok(text.includes(JSON.stringify({ name: 'clouds', ...source })), text)
        assert.ok(text.includes(JSON.stringify({ name: 'clouds', mountPath: clouds, readOnly: true })), text)
      }
    }
    assert.ok(!JSON.stringify(daemonSets(await template())).includes('clouds'))
  },
)

test('identities of the node that classes may use are any, none or a list, and nothing else', needsHelm, async () => {
  const id = '11111111-2222-3333-4444-555555555555'
  for (const managedIdentities of ['any', 'none', id, `system-assigned,${id}`]) {
    const text = JSON.stringify(daemonSets(await template({ managedIdentities })))
    assert.ok(text.includes(`--managed-identities=${managedIdentities}`), text)
  }
  for (const managedIdentities of ['some', '', `any,${id}`]) {
    await assert.rejects(template({ managedIdentities }), /managedIdentities/)
  }
})

test('the provider answers with no more than the driver accepts', needsHelm, async () => {
  const text = JSON.stringify(daemonSets(await template({ maxCallRecvMsgSize: 8_388_608 })))
  for (const flag of ['--max-call-recv-msg-size=8388608', '--max-mount-bytes=8388608'])
    assert.ok(text.includes(flag), flag)
})
