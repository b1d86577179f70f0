import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findCloud, isStackCloud, parseCloudFile } from './cloud.ts'

test('every cloud that upstream knows is found by its names, in any case', () => {
  for (const [names, authority, suffix] of [
    [
      ['', 'AzurePublicCloud', 'AZUREPUBLICCLOUD', 'AzureCloud'],
      'https://login.microsoftonline.com',
      'vault.azure.net',
    ],
    [['AzureUSGovernmentCloud', 'azureusgovernment'], 'https://login.microsoftonline.us', 'vault.usgovcloudapi.net'],
    [['AzureChinaCloud', 'AZURECHINACLOUD'], 'https://login.chinacloudapi.cn', 'vault.azure.cn'],
    [['AzureGermanCloud'], 'https://login.microsoftonline.de', 'vault.microsoftazure.de'],
  ] as const) {
    for (const name of names) {
      const cloud = findCloud(name)
      assert.deepEqual(
        [cloud?.authority, cloud?.vaultSuffix, cloud?.vaultResource],
        [authority, suffix, `https://${suffix}`],
      )
    }
  }
  assert.equal(findCloud('AzureCloud1'), undefined)
  assert.ok(isStackCloud('azurestackcloud'))
})

const file = {
  name: 'AzureStackCloud',
  ActiveDirectoryEndpoint: 'https://adfs.local.azurestack.external/adfs/',
  keyVaultEndpoint: 'https://vault.local.azurestack.external/',
  keyVaultDNSSuffix: 'vault.local.azurestack.external',
  gallery: 'ignored',
}

test('an environment file describes a cloud, with member names in any case', () => {
  assert.deepEqual(parseCloudFile(JSON.stringify(file)), {
    name: 'AzureStackCloud',
    authority: 'https://adfs.local.azurestack.external',
    vaultResource: 'https://vault.local.azurestack.external',
    vaultSuffix: 'vault.local.azurestack.external',
  })
})

test('an environment file that would send tokens elsewhere is refused, without quoting it', () => {
  for (const [change, words] of [
    [
      { ActiveDirectoryEndpoint: 'http://adfs.local/' },
      /^Error: activeDirectoryEndpoint: expected a URL that begins with https:\/\/$/,
    ],
    [{ ActiveDirectoryEndpoint: '' }, /activeDirectoryEndpoint is missing/],
    [{ keyVaultDNSSuffix: undefined }, /keyVaultDNSSuffix is missing/],
    [{ keyVaultDNSSuffix: 'evil/x' }, /^Error: keyVaultDNSSuffix: expected a DNS suffix/],
    [{ keyVaultEndpoint: 'vault' }, /^Error: keyVaultEndpoint: expected a URL/],
  ] as const) {
    assert.throws(() => parseCloudFile(JSON.stringify({ ...file, ...change })), words)
  }
  for (const text of ['', 'null', '[1', '"x"']) assert.throws(() => parseCloudFile(text))
})

test('an environment file may leave out keyVaultEndpoint or have an empty one: tokens are for the suffix then', () => {
  for (const keyVaultEndpoint of ['', ' ', undefined]) {
    const { vaultResource } = parseCloudFile(JSON.stringify({ ...file, keyVaultEndpoint }))
    assert.equal(vaultResource, 'https://vault.local.azurestack.external')
  }
})
