import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { failureOf, objectsOf } from '../../support/provider.ts'
import { startProviderLab } from '../../support/provider-lab.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const objects = objectsOf({ objectName: 'db', objectType: 'secret' })

const endpoints = {
  activeDirectoryEndpoint: 'https://login.microsoftonline.com/',
  keyVaultEndpoint: 'https://vault.azure.net/',
  keyVaultDNSSuffix: 'vault.azure.net',
}

/** A provider whose classes may name the files of `directory`. */
async function startWithCloudFiles(t: TestContext) {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'x')
  const root = temporaryDirectory(t, 'keymount-cloud-')
  const directory = join(root, 'clouds')
  mkdirSync(directory)
  const own = join(root, 'own.json')
  writeFileSync(own, JSON.stringify(endpoints))
  writeFileSync(join(directory, 'stack.json'), JSON.stringify(endpoints))
  const { mount } = await lab.startProvider({ cloud: { cloudName: '', cloudFile: own, cloudFiles: directory } })
  const parameters = { keyvaultName: 'shop-vault', clientID, objects, cloudName: 'azurestackcloud' }
  return {
    root,
    directory,
    own,
    mountWith: async (cloudEnvFileName: string) => mount(await lab.request({ ...parameters, cloudEnvFileName })),
  }
}

test('a class in AzureStackCloud uses the environment file that it names, or the provider’s own', async (t) => {
  const { directory, own, mountWith } = await startWithCloudFiles(t)
  // As kubelet lays out a ConfigMap: links by way of a directory that changes.
  mkdirSync(join(directory, '..2026'))
  writeFileSync(join(directory, '..2026', 'linked.json'), JSON.stringify(endpoints))
  symlinkSync('..2026', join(directory, '..data'))
  symlinkSync('..data/linked.json', join(directory, 'linked.json'))
  for (const named of [
    '',
    own,
    'stack.json',
    join(directory, 'stack.json'),
    'linked.json',
    `${directory}//./stack.json`,
  ])
    assert.equal((await mountWith(named)).files.length, 1, named)
})

test('a class has no other file read, whatever it names, and no error quotes a file', async (t) => {
  const { root, directory, mountWith } = await startWithCloudFiles(t)
  writeFileSync(join(root, 'outside.json'), JSON.stringify({ ...endpoints, planted: 'planted-outside' }))
  symlinkSync(join(root, 'outside.json'), join(directory, 'escape.json'))
  symlinkSync('/dev/zero', join(directory, 'zero.json'))
  mkdirSync(join(directory, 'folder'))
  execFileSync('mkfifo', [join(directory, 'pipe')])
  writeFileSync(join(directory, 'large.json'), '')
  truncateSync(join(directory, 'large.json'), 65 * 1024)
  writeFileSync(join(directory, 'broken.json'), '{"planted-key": planted-value}')
  writeFileSync(
    join(directory, 'plain.json'),
    JSON.stringify({ ...endpoints, activeDirectoryEndpoint: 'http://planted' }),
  )
  for (const [named, words] of [
    ['/dev/zero', /expected the name of a file in/],
    ['/proc/self/fd/2', /expected the name of a file in/],
    ['/etc/passwd', /expected the name of a file in/],
    [join(root, 'outside.json'), /expected the name of a file in/],
    ['../outside.json', /expected the name of a file in/],
    [join(directory, '../outside.json'), /expected the name of a file in/],
    ['escape.json', /expected the name of a file in/],
    ['zero.json', /expected the name of a file in/],
    ['..', /expected the name of a file in/],
    ['folder', /is not a regular file/],
    ['pipe', /is not a regular file/],
    ['large.json', /found 65 KiB, at most 64 KiB are accepted/],
    ['missing.json', /open missing.json: no such file or directory/],
    ['broken.json', /the file is not valid JSON: line 1, column 17/],
    ['plain.json', /activeDirectoryEndpoint: expected a URL that begins with https:\/\//],
  ] as const) {
    const { details } = await failureOf(mountWith(named))
    assert.match(details, words, named)
    assert.match(details, /cloudName AzureStackCloud is not valid, error: /)
    assert.doesNotMatch(details, /planted/)
  }
})

test('a class without a file is refused where the provider has none', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  const { mount } = await lab.startProvider()
  const parameters = { keyvaultName: 'shop-vault', clientID, objects, cloudName: 'azurestackcloud' }
  const without = await failureOf(mount(await lab.request(parameters)))
  assert.match(without.details, /cloudName AzureStackCloud is not valid, error: open : no such file or directory/)
  const named = await failureOf(mount(await lab.request({ ...parameters, cloudEnvFileName: '/dev/zero' })))
  assert.match(named.details, /cloudEnvFileName \/dev\/zero: classes may name no file here/)
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
