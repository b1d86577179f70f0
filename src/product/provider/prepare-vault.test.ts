import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createObjectsParser } from '#azure/class'
import { Problems } from '#lib'
import { parseMount } from './parse-mount.ts'
import { decodeMountRequest } from './parse-mount-request.ts'
import { prepareVault } from './prepare-vault.ts'

/** What a mount of objects in these vaults prepares; undefined is the vault of the class. */
function preparedFor(vaults: readonly (string | undefined)[]): [string, number, string][] {
  const entries = vaults.map((vault, i) => {
    const vaultLine = vault === undefined ? '' : `    vault: ${vault}\n`
    return `  - |\n    objectName: s${i}\n    objectType: secret\n${vaultLine}`
  })
  const attributes = JSON.stringify({
    keyvaultName: 'shop',
    tenantID: 'example',
    objects: `array:\n${entries.join('')}`,
    'csi.storage.k8s.io/pod.namespace': 'team-a',
  })
  const decoded = decodeMountRequest({
    attributes,
    secrets: 'null',
    targetPath: '/x',
    permission: '420',
    currentObjectVersion: [],
  })
  const spec = parseMount(decoded, new Problems(), createObjectsParser())
  const prepared: [string, number, string][] = []
  prepareVault(
    { prepare: ({ name }, count, namespace) => void prepared.push([name, count, namespace]) },
    spec,
    (name) => ({ name, origin: `https://${name}.vault.azure.net` }),
  )
  return prepared
}

test('a mount opens connections to the first vault of its class alone, as many as its reads take and 24 at most', () => {
  assert.deepEqual(preparedFor([undefined, undefined, 'other', undefined]), [['shop', 3, 'team-a']])
  const twenty = Array.from({ length: 500 }, (_, i) => `vault-${i % 20}`)
  assert.deepEqual(preparedFor(twenty), [['vault-0', 24, 'team-a']])
  assert.deepEqual(preparedFor(Array.from({ length: 30 }, () => undefined)), [['shop', 24, 'team-a']])
  assert.deepEqual(preparedFor([]), [])
})
