import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changedAttribute, maxAgeAttribute } from '#kubernetes/provider-protocol'
import { createManualClock } from '../../support/manual-clock.ts'
import { objectsOf } from '../../support/provider.ts'
import { clusterOf, startProviderLab } from '../../support/provider-lab.ts'

test('a request that names the oldest answer it takes gets no older one, and its answer is shared again', async (t) => {
  const lab = await startProviderLab(t)
  const identity = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 's', 'before')
  const objects = objectsOf({ objectName: 's', objectType: 'secret' })
  const request = await lab.request({ keyvaultName: 'shop-vault', clientID: identity.clientId, objects })
  const attributes = JSON.parse(request.attributes ?? '') as Record<string, string>
  const clock = createManualClock(Date.now())
  const { mount } = await lab.startProvider({ clock })
  const read = async (maxAge?: string) => {
    const { files } = await mount({ attributes: JSON.stringify({ ...attributes, [maxAgeAttribute]: maxAge }) })
    return files[0]?.contents.toString()
  }

  assert.equal(await read(), 'before')
  await clock.advance(2000)
  await lab.azure.setSecret('shop-vault', 's', 'after')
  await lab.takeCounts()
  assert.equal(await read(), 'before', 'other requests share the answer of two seconds ago')
  assert.equal(await read('3000'), 'before', 'a request that takes an older answer shares it')
  assert.equal(await read('1999'), 'after')
  assert.equal(await read('0'), 'after')
  await clock.advance(1000)
  assert.equal(await read('1500'), 'after')
  assert.equal(await read(), 'after')
  assert.deepEqual(await lab.takeCounts(), { 'vault.secret.get': 1 })
  for (const wrong of ['', 'soon', '-1']) assert.equal(await read(wrong), 'after')
})

test('a request that names what has changed gets that from the vault, and the rest from what was read within the interval', async (t) => {
  const lab = await startProviderLab(t)
  const identity = await lab.createReadableVault('shop-vault')
  const setBoth = async (value: string) => {
    for (const name of ['a', 'b']) await lab.azure.setSecret('shop-vault', name, value)
  }
  const clock = createManualClock(Date.now())
  const { mount } = await lab.startProvider({ clock, kube: clusterOf(lab.issuer) })
  const read = async (changed?: readonly string[], parameters: Record<string, string> = {}) => {
    const objects = objectsOf({ objectName: 'a', objectType: 'secret' }, { objectName: 'b', objectType: 'secret' })
    const attribute = changed === undefined ? {} : { [changedAttribute]: JSON.stringify(changed) }
    const { clientId: clientID } = identity
    const request = await lab.request({ keyvaultName: 'shop-vault', clientID, objects, ...parameters, ...attribute })
    const { files } = await mount(request)
    return files.map(({ contents }) => contents.toString())
  }
  const a = 'https://shop-vault.vault.azure.net/secrets/a/1f'

  await setBoth('1')
  assert.deepEqual(await read(), ['1', '1'])
  await setBoth('2')
  await lab.takeCounts()
  assert.deepEqual(await read(), ['1', '1'], 'shared for five seconds')
  await clock.advance(1)
  assert.deepEqual(await read([a]), ['2', '1'], 'the changed object is never from an earlier read')
  assert.deepEqual(await lab.takeCounts(), { 'vault.secret.get': 1 })
  await clock.advance(10_000)
  assert.deepEqual(await read([a]), ['2', '2'], 'without serveStaleFor nothing is held for longer')
  await clock.advance(1)
  assert.deepEqual(await read(['*']), ['2', '2'])
  assert.deepEqual(await lab.takeCounts(), { 'vault.secret.get': 4 })
})

test('what a node holds for an outage answers what has not changed, for the interval of the class and two minutes at most', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  const exp = Math.floor(Date.now() / 1000) + 24 * 3600
  await lab.azure.setSecret('shop-vault', 's', '1')
  const clock = createManualClock(Date.now())
  const { mount } = await lab.startProvider({ clock, kube: clusterOf(lab.issuer) })
  const objects = objectsOf({ objectName: 's', objectType: 'secret' })
  const read = async (parameters: Record<string, string>) => {
    const all = { keyvaultName: 'shop-vault', clientID, objects, serveStaleFor: '24h', ...parameters }
    return (await mount(await lab.request(all, { claims: { exp } }))).files[0]?.contents.toString()
  }
  const others = { [changedAttribute]: '["https://shop-vault.vault.azure.net/secrets/other"]' }

  assert.equal(await read({}), '1')
  await lab.azure.setSecret('shop-vault', 's', '2')
  await clock.advance(60_000)
  assert.equal(await read(others), '1')
  assert.equal(await read({ ...others, syncInterval: '1h' }), '1')
  assert.equal(await read({ ...others, syncInterval: '30s' }), '2')
  await lab.azure.setSecret('shop-vault', 's', '3')
  await clock.advance(3 * 60_000)
  assert.equal(await read({ ...others, syncInterval: '1h' }), '3')
})
