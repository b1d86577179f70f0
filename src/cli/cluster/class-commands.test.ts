import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkClass } from '#azure/class'
import type { SecretProviderClass } from '#kubernetes/client'
import { fixOfClass, patchObjectType } from './class-commands.ts'

const id = '11111111-2222-3333-4444-555555555555'

function fixesOf(change: Record<string, string | undefined>, spec: object = {}): string[] {
  const parameters = {
    keyvaultName: 'shop',
    tenantID: id,
    clientID: id,
    objects: 'array:\n  - |\n    objectName: password\n    objectType: secret\n',
    ...change,
  }
  const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined))
  const object = {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace: 'web', name: 'db' },
    spec: { provider: 'azure', parameters: given, ...spec },
  } as SecretProviderClass
  return checkClass(object).map((finding) => fixOfClass(finding, object))
}

const patch = 'kubectl patch secretproviderclass db --namespace web --type'

test('what was meant is patched: the URL of a vault, names and types that are misspelt, files of secretObjects', () => {
  assert.deepEqual(fixesOf({ keyvaultName: 'https://shop.vault.azure.net/' }), [
    `${patch} merge --patch '{"spec":{"parameters":{"keyvaultName":"shop"}}}'`,
  ])
  assert.deepEqual(fixesOf({ keyvaultName: undefined, keyvaultname: 'shop' }), [
    `${patch} merge --patch '{"spec":{"parameters":{"keyvaultname":null,"keyvaultName":"shop"}}}'`,
  ])
  const [type] = fixesOf({ objects: 'array:\n  - |\n    objectName: password\n    objectType: sekret\n' })
  assert.match(type ?? '', /objectName: password\\n {4}objectType: secret\\n/)
  const data = [{ objectName: 'pasword', key: 'password' }]
  assert.deepEqual(fixesOf({}, { secretObjects: [{ secretName: 'db', type: 'Opaque', data }] }), [
    `${patch} json --patch '[{"op":"replace","path":"/spec/secretObjects/0/data/0/objectName","value":"password"}]'`,
  ])
})

test('what was meant is not known, or is in the text more than once: the editor', () => {
  const edit = 'kubectl edit secretproviderclass db --namespace web'
  assert.deepEqual(fixesOf({ keyvaultName: '' }), [edit])
  const twice = 'array:\n  - |\n    objectName: sekret\n    objectType: sekret\n'
  assert.deepEqual(fixesOf({ objects: twice }), [edit])
})

test('the type of one entry is patched, where the entry is lines of its own', () => {
  const patched = (objects: string, name = 'a') => {
    const object = {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      metadata: { namespace: 'web', name: 'db' },
      spec: { provider: 'azure', parameters: { objects } },
    } as SecretProviderClass
    const [, json] = / --patch '(.*)'$/.exec(patchObjectType(object, name, 'key') ?? '') ?? []
    return json === undefined ? undefined : (JSON.parse(json) as SecretProviderClass).spec?.parameters?.objects
  }
  const entry = (name: string, type: string) => `  - |\n    objectName: ${name}\n    objectType: ${type}\n`
  assert.equal(
    patched(`array:\n${entry('a', 'secret')}${entry('b', 'secret')}`),
    `array:\n${entry('a', 'key')}${entry('b', 'secret')}`,
  )
  assert.equal(
    patched('array:\n  - |\n    objectName: "a"\n    jsonPath:\n      - path: $.x\n'),
    'array:\n  - |\n    objectName: "a"\n    objectType: key\n    jsonPath:\n      - path: $.x\n',
  )
  assert.equal(patched('- objectName: a\n  objectAlias: x\n'), '- objectName: a\n  objectType: key\n  objectAlias: x\n')
  for (const objects of ['[{"objectName":"a"}]', `array:\n${entry('a', 'secret')}${entry('a', 'cert')}`, ''])
    assert.equal(patched(objects), undefined)
})
