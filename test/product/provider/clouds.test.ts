import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { failureOf, objectsOf } from '../../support/provider.ts'
import { startProviderLab } from '../../support/provider-lab.ts'

const objects = objectsOf({ objectName: 'db', objectType: 'secret' })

test('a class in AzureStackCloud uses its own environment file, and no other class does', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'x')
  const directory = mkdtempSync(join(tmpdir(), 'keymount-cloud-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'stack.json')
  const endpoints = {
    activeDirectoryEndpoint: 'https://login.microsoftonline.com/',
    keyVaultEndpoint: 'https://vault.azure.net/',
  }
  writeFileSync(file, JSON.stringify({ ...endpoints, keyVaultDNSSuffix: 'vault.azure.net' }))
  const { mount } = await lab.startProvider()
  const parameters = { keyvaultName: 'shop-vault', clientID, objects, cloudName: 'azurestackcloud' }
  assert.equal((await mount(await lab.request({ ...parameters, cloudEnvFileName: file }))).files.length, 1)
  const without = await failureOf(mount(await lab.request(parameters)))
  assert.match(without.details, /cloudName AzureStackCloud is not valid, error: open : no such file or directory/)
  writeFileSync(file, '{"activeDirectoryEndpoint": "http://plain", "keyVaultDNSSuffix": "vault.azure.net"}')
  const changed = await failureOf(mount(await lab.request({ ...parameters, cloudEnvFileName: file })))
  assert.match(
    changed.details,
    /activeDirectoryEndpoint: found "http:\/\/plain", expected a URL that begins with https/,
  )
})

test('a class in another cloud goes to that cloud’s hosts', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  const { mount } = await lab.startProvider()
  const { details } = await failureOf(
    mount(await lab.request({ keyvaultName: 'shop-vault', clientID, objects, cloudName: 'AzureChinaCloud' })),
  )
  assert.match(details, /login\.chinacloudapi\.cn|shop-vault\.vault\.azure\.cn/)
})
