import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { needsHelm, template } from './helm.ts'

const policies = async (values: object, sync = false) => {
  const rendered = await template({
    policies: { fence: false, ...values },
    sync: { enabled: sync, applyPolicies: false },
  })
  const named = (kind: string) => rendered.filter((one) => one.kind === kind)
  const bindings = named('ValidatingAdmissionPolicyBinding').map(({ metadata, spec }) => ({
    name: metadata.name,
    spec,
  }))
  return {
    names: named('ValidatingAdmissionPolicy').map(({ metadata }) => metadata.name),
    bindings: bindings as { name: string; spec: { validationActions: string[]; paramRef?: object } }[],
    vaults: rendered.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'keymount-vaults'),
  }
}

test('the policies that check classes are off by default, and warn when they are on', needsHelm, async () => {
  assert.deepEqual((await policies({})).names, [])
  const { names, bindings, vaults } = await policies({ enabled: true })
  assert.deepEqual(names, ['keymount-classes'])
  assert.deepEqual(
    bindings.map(({ spec }) => spec.validationActions),
    [['Warn']],
  )
  assert.equal(vaults, undefined)
})

test('the values that docs/policies.md begins with warn, as the page advises', needsHelm, async () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/policies.md'), 'utf8')
  const [, values = ''] = /```yaml\n(policies:[\s\S]*?)```/.exec(page) ?? []
  const { names, bindings } = await policies((parse(values) as { policies: object }).policies)
  assert.ok(names.includes('keymount-vaults'))
  assert.ok(bindings.every(({ spec }) => spec.validationActions.join() === 'Warn'))
})

test('each policy comes with its value, all with the same action', needsHelm, async () => {
  const vaults = { shop: ['Shop-KV', 'shared-kv'], '*': ['shared-kv'], platform: ['*'] }
  const found = await policies({ enabled: true, action: 'Deny', forbidNodeIdentities: true, vaults }, true)
  const names = [
    'keymount-classes',
    'keymount-node-identities',
    'keymount-volumes',
    'keymount-vaults',
    'keymount-secretsyncs',
  ]
  assert.deepEqual(found.names.toSorted(), names.toSorted())
  assert.deepEqual(found.bindings.map(({ name }) => name).toSorted(), names.toSorted())
  assert.ok(found.bindings.every(({ spec }) => spec.validationActions.join() === 'Deny'))
  assert.deepEqual(found.bindings.find(({ name }) => name === 'keymount-vaults')?.spec.paramRef, {
    name: 'keymount-vaults',
    namespace: 'kube-system',
    parameterNotFoundAction: 'Deny',
  })
  assert.deepEqual(found.vaults?.data, { shop: 'shop-kv,shared-kv', _others: 'shared-kv', platform: '*' })
})

test(
  'an action that does not exist, and a name that a vault cannot have, are refused by the schema',
  needsHelm,
  async () => {
    await assert.rejects(template({ policies: { action: 'Block' } }), /policies.*action|action.*policies/s)
    await assert.rejects(template({ policies: { vaults: { shop: ['https://shop-kv.vault.azure.net'] } } }), /vaults/)
  },
)
