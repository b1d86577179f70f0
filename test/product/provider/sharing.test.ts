import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Metadata, status } from '@grpc/grpc-js'
import { type HeldToken, heldTokenIn } from '#kubernetes/provider-protocol'
import { sleep } from '#lib'
import { eventually } from '../../support/eventually.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { failureOf, objectsOf } from '../../support/provider.ts'
import { startProviderLab } from '../../support/provider-lab.ts'

const objects = objectsOf(...Array.from({ length: 10 }, (_, i) => ({ objectName: `s${i}`, objectType: 'secret' })))

async function startWithTen(t: Parameters<typeof startProviderLab>[0]) {
  const lab = await startProviderLab(t)
  const identity = await lab.createReadableVault('shop-vault')
  for (let i = 0; i < 10; i++) await lab.azure.setSecret('shop-vault', `s${i}`, `value ${i}`)
  const request = await lab.request({ keyvaultName: 'shop-vault', clientID: identity.clientId, objects })
  return { lab, identity, request }
}

test('a storm of pods of one identity costs one sign-in and one read per object', async (t) => {
  const { lab, request } = await startWithTen(t)
  const { mount } = await lab.startProvider()
  await lab.takeCounts()
  const answers = await Promise.all(Array.from({ length: 100 }, () => mount(request)))
  assert.ok(answers.every(({ files }) => files.length === 10))
  assert.deepEqual(await lab.takeCounts(), { 'entra.token': 1, 'vault.secret.get': 10 })
})

test('each answer names how long the next reads of its identity need no sign-in', async (t) => {
  const { lab, request } = await startWithTen(t)
  const clock = createManualClock(Date.now())
  const { mount } = await lab.startProvider({ clock })
  const heldAfter = async () => {
    let held: HeldToken | undefined
    const onTrailer = (trailer: Metadata) => {
      held = heldTokenIn(trailer)
    }
    await mount(request, { onTrailer })
    return held
  }
  const first = await heldAfter()
  assert.equal(first?.ms, 600_000)
  await clock.advance(599_000)
  assert.deepEqual(await heldAfter(), { ...first, ms: 1000 })
  // What was read is not shared any more by then.
  await clock.advance(10_000)
  assert.deepEqual(await heldAfter(), first, 'another sign-in of the same identity')
})

test('what was read serves others for five seconds and not longer; the token for ten minutes and not longer', async (t) => {
  const { lab, request } = await startWithTen(t)
  const clock = createManualClock(Date.now())
  const { mount } = await lab.startProvider({ clock })
  await mount(request)
  await lab.azure.setSecret('shop-vault', 's0', 'rotated')
  await lab.takeCounts()
  await clock.advance(4999)
  assert.equal((await mount(request)).files[0]?.contents.toString(), 'value 0')
  assert.deepEqual(await lab.takeCounts(), {})
  await clock.advance(1)
  assert.equal((await mount(request)).files[0]?.contents.toString(), 'rotated')
  assert.deepEqual(await lab.takeCounts(), { 'vault.secret.get': 10 })
  await clock.advance(10 * 60_000)
  await mount(request)
  assert.deepEqual(await lab.takeCounts(), { 'entra.token': 1, 'vault.secret.get': 10 })
})

test('a federated credential that was removed takes effect when the held token is ten minutes old', async (t) => {
  const { lab, identity, request } = await startWithTen(t)
  const clock = createManualClock(Date.now())
  const { mount } = await lab.startProvider({ clock })
  await mount(request)
  const { value } = await lab.azure.arm.get(`${identity.id}/federatedIdentityCredentials`)
  for (const { name } of value) await lab.azure.arm.delete(`${identity.id}/federatedIdentityCredentials/${name}`)
  await clock.advance(9 * 60_000)
  assert.equal((await mount(request)).files.length, 10)
  await clock.advance(60_000)
  assert.equal((await failureOf(mount(request))).code, status.UNAUTHENTICATED)
})

test('a role that was taken away takes effect with the next read', async (t) => {
  const lab = await startProviderLab(t)
  const vault = await lab.azure.createVault('shop-vault')
  const identity = await lab.azure.createIdentity('reader')
  await lab.azure.federate(identity, { issuer: lab.issuer.url, subject: 'system:serviceaccount:default:app' })
  const role = await lab.azure.assignRole('Key Vault Secrets User', identity.principalId, vault.id)
  for (let i = 0; i < 10; i++) await lab.azure.setSecret('shop-vault', `s${i}`, 'x')
  const clock = createManualClock(Date.now())
  const { mount } = await lab.startProvider({ clock })
  const request = await lab.request({ keyvaultName: 'shop-vault', clientID: identity.clientId, objects })
  await mount(request)
  await lab.azure.arm.delete(role)
  await clock.advance(5001)
  assert.equal((await failureOf(mount(request))).code, status.PERMISSION_DENIED)
})

test('a tick of a rotation reads two objects at once, and a new pod meanwhile all of its own', async (t) => {
  const { lab, request } = await startWithTen(t)
  const clock = createManualClock(Date.now())
  const { mount } = await lab.startProvider({ clock })
  await mount(request)
  await clock.advance(6000)
  await lab.takeCounts()
  // Requests that were sent stay in flight while the test counts them.
  await lab.azure.control('PUT', '/delay', { ms: 5000 })
  const sent = async () => {
    const { counts } = (await lab.azure.control('GET', '/requests')) as { counts: Record<string, number> }
    return counts['vault.secret.get'] ?? 0
  }
  const tick = mount({ ...request, currentObjectVersion: [{ id: 'secret/s0', version: 'x' }] })
  await eventually(async () => assert.equal(await sent(), 2))
  await sleep(100)
  assert.equal(await sent(), 2)
  const pod = mount(request)
  await eventually(async () => assert.equal(await sent(), 10, 'it shares the two, and does not wait with the others'))
  await lab.azure.control('PUT', '/delay', { ms: 0 })
  assert.equal((await pod).files.length, 10)
  assert.equal((await tick).files.length, 10)
})
