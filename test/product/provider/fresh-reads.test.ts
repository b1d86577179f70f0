import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxAgeAttribute } from '#kubernetes/provider-protocol'
import { createManualClock } from '../../support/manual-clock.ts'
import { objectsOf } from '../../support/provider.ts'
import { startProviderLab } from '../../support/provider-lab.ts'

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
