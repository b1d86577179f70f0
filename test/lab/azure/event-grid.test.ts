import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseXml, xmlText } from '#lib/formats'
import { createApplication } from '../../support/application.ts'
import { eventually } from '../../support/eventually.ts'
import { startLocalAzure, type TestAzure, testGroup } from '../../support/local-azure.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { sharedKeyHeaders } from '../../support/queue-calls.ts'
import { createStorageAccount, type TestAccount } from '../../support/storage-account.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

interface Place {
  azure: TestAzure
  account: TestAccount
  vault: { id: string; name: string }
  topic: { id: string }
  clock: ManualClock | undefined
}

/** A vault with a system topic that has an identity, and a queue for which the identity has this role on the account. */
async function withTopic(
  t: TestContext,
  {
    clock,
    stateDir,
    role = 'Storage Queue Data Message Sender',
  }: { clock?: ManualClock; stateDir?: string; role?: string } = {},
): Promise<Place> {
  const overrides = { ...(clock === undefined ? {} : { clock }), ...(stateDir === undefined ? {} : { stateDir }) }
  const azure = await startLocalAzure(t, overrides)
  const vault = await azure.createVault('shop')
  const account = await createStorageAccount(azure)
  await queueCall({ azure, account, clock }, 'PUT', '/events')
  await register(azure)
  const topic = await azure.arm.put(topicPath(azure, 'shop-events'), {
    location: 'westeurope',
    identity: { type: 'SystemAssigned' },
    properties: { source: vault.id, topicType: 'microsoft.keyvault.vaults' },
  })
  if (role !== '') await azure.assignRole(role, topic.identity.principalId, account.id)
  return { azure, vault, account, topic, clock }
}

function register(azure: TestAzure) {
  return azure.arm(
    'POST',
    `/subscriptions/${azure.administrator.subscriptionId}/providers/Microsoft.EventGrid/register`,
  )
}

function topicPath({ administrator }: TestAzure, name: string): string {
  return `/subscriptions/${administrator.subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.EventGrid/systemTopics/${name}`
}

/** What a subscription to the queue needs; `properties` is merged over it. */
function toQueue(account: TestAccount, properties: Record<string, unknown> = {}) {
  const destination = {
    endpointType: 'StorageQueue',
    properties: { resourceId: account.id, queueName: 'events', queueMessageTimeToLiveInSeconds: 86_400 },
  }
  const deliveryWithResourceIdentity = { identity: { type: 'SystemAssigned' }, destination }
  return { properties: { deliveryWithResourceIdentity, ...properties } }
}

async function queueCall(
  { azure, account, clock }: Pick<Place, 'azure' | 'account' | 'clock'>,
  method: 'GET' | 'PUT',
  target: string,
) {
  const signing = { account: account.name, key: account.key, ...(clock === undefined ? {} : { at: clock.now() }) }
  const headers = sharedKeyHeaders({ method, target }, signing)
  return azure.send({ method, url: new URL(target, account.queues), headers })
}

/** The events in the queue, which stay there. */
async function peek(place: Place) {
  const { body } = await queueCall(place, 'GET', '/events/messages?peekonly=true&numofmessages=32')
  return parseXml('the answer', body.toString('utf8')).children.map((message) =>
    JSON.parse(Buffer.from(xmlText(message, 'MessageText') ?? '', 'base64').toString('utf8')),
  )
}

const subjects = async (place: Place) =>
  (await peek(place)).map(({ subject }: { subject: string }) => subject).toSorted()

/** Waits until the control socket reports that nothing is pending and this many were delivered. */
async function delivered({ azure }: Place, count: number) {
  await eventually(async () => {
    const counts = (await azure.control('GET', '/event-grid')) as { delivered: number; pending: number }
    assert.deepEqual([counts.delivered, counts.pending], [count, 0])
  })
}

test("a new version of a secret comes to the queue in Event Grid's schema, by the identity of the system topic", async (t) => {
  const place = await withTopic(t)
  const { azure, account, topic, vault } = place
  const created = await azure.arm.put(`${topic.id}/eventSubscriptions/to-queue`, toQueue(account))
  assert.equal(created.properties.topic, vault.id)
  assert.equal(created.properties.deliveryWithResourceIdentity.destination.properties.queueName, 'events')
  assert.equal(created.properties.destination, null)
  const id = await azure.setSecret('shop', 'pw', 'one')
  await delivered(place, 1)
  const [event] = await peek(place)
  assert.deepEqual(
    [event.eventType, event.topic, event.subject, event.data.Id],
    ['Microsoft.KeyVault.SecretNewVersionCreated', vault.id, 'pw', id],
  )
})

test('a subscription gets only what passes its filters, in the schema that it asks for', async (t) => {
  const place = await withTopic(t)
  const { azure, account, topic } = place
  const filter = {
    includedEventTypes: ['Microsoft.KeyVault.SecretNewVersionCreated'],
    subjectBeginsWith: 'DB-',
    advancedFilters: [
      { operatorType: 'StringIn', key: 'data.ObjectType', values: ['secret'] },
      { operatorType: 'StringNotBeginsWith', key: 'subject', values: ['db-old'] },
    ],
  }
  const properties = { filter, eventDeliverySchema: 'CloudEventSchemaV1_0' }
  await azure.arm.put(`${topic.id}/eventSubscriptions/some`, toQueue(account, properties))
  for (const name of ['web', 'db-main', 'db-old-1']) await azure.setSecret('shop', name, 'x')
  await delivered(place, 1)
  const [event, ...others] = await peek(place)
  assert.deepEqual(others, [])
  assert.deepEqual(
    [event.specversion, event.type, event.subject],
    ['1.0', 'Microsoft.KeyVault.SecretNewVersionCreated', 'db-main'],
  )
  const answer = azure.arm.put(
    `${topic.id}/eventSubscriptions/other`,
    toQueue(account, { filter: { includedEventTypes: ['All'] } }),
  )
  await assert.rejects(answer, /400.*is not one of Microsoft\.KeyVault\.CertificateNewVersionCreated/)
})

test('a subscription of the vault itself delivers with the key of the account, as long as keys are allowed', async (t) => {
  const place = await withTopic(t, { role: '' })
  const { azure, account, vault } = place
  const path = `${vault.id}/providers/Microsoft.EventGrid/eventSubscriptions/direct`
  const { deliveryWithResourceIdentity: withIdentity } = toQueue(account).properties
  await assert.rejects(azure.arm.put(path, toQueue(account)), /a vault cannot deliver events: use a system topic/)
  const { destination } = withIdentity
  await azure.arm.put(path, { properties: { destination } })
  await azure.setSecret('shop', 'one', 'x')
  await delivered(place, 1)
  assert.deepEqual(await subjects(place), ['one'])
  const listed = await azure.arm.get(`${vault.id}/providers/Microsoft.EventGrid/eventSubscriptions`)
  assert.deepEqual(
    listed.value.map(({ name, type }: { name: string; type: string }) => [name, type]),
    [['direct', 'Microsoft.EventGrid/eventSubscriptions']],
  )
  await azure.arm('PATCH', account.id, { properties: { allowSharedKeyAccess: false } })
  await azure.setSecret('shop', 'two', 'x')
  await eventually(async () => {
    const counts = (await azure.control('GET', '/event-grid')) as { failed: number; pending: number }
    assert.deepEqual([counts.failed, counts.pending], [1, 1])
  })
})

test('without the role the delivery is tried again, by the schedule of Event Grid, until the role is there', async (t) => {
  const clock = createManualClock()
  const place = await withTopic(t, { clock, role: '' })
  const { azure, account, topic } = place
  await azure.arm.put(`${topic.id}/eventSubscriptions/to-queue`, toQueue(account))
  await azure.setSecret('shop', 'pw', 'x')
  await clock.advance(100)
  const counts = async () => (await azure.control('GET', '/event-grid')) as { failed: number; pending: number }
  assert.deepEqual([(await counts()).failed, (await counts()).pending], [1, 1])
  const { identity } = await azure.arm.get(topic.id)
  await azure.assignRole('Storage Queue Data Message Sender', identity.principalId, account.id)
  await clock.advance(9_000)
  assert.equal((await counts()).pending, 1)
  await clock.advance(1_500)
  await delivered(place, 1)
})

test('a delivery is given up after the attempts of its retry policy', async (t) => {
  const clock = createManualClock()
  const place = await withTopic(t, { clock, role: '' })
  const { azure, account, topic } = place
  const retryPolicy = { maxDeliveryAttempts: 2 }
  await azure.arm.put(`${topic.id}/eventSubscriptions/to-queue`, toQueue(account, { retryPolicy }))
  await azure.setSecret('shop', 'pw', 'x')
  await clock.advance(100)
  await clock.advance(11_000)
  const { failed, pending, dropped } = (await azure.control('GET', '/event-grid')) as Record<string, number>
  assert.deepEqual({ failed, pending, dropped }, { failed: 2, pending: 0, dropped: 1 })
})

test('a delivery that was not made before the local Azure ended is made by the next one', async (t) => {
  const stateDir = temporaryDirectory(t, 'grid-')
  const clock = createManualClock()
  const place = await withTopic(t, { stateDir, clock })
  const { azure, account, topic } = place
  await azure.arm.put(`${topic.id}/eventSubscriptions/to-queue`, toQueue(account))
  await azure.control('PUT', '/event-grid', { delayMs: 600_000 })
  await azure.setSecret('shop', 'pw', 'x')
  await azure.control('PUT', `/faults/${account.name}.queue.core.windows.net`, { kind: 'unreachable' })
  await azure.control('PUT', '/event-grid', { delayMs: 0 })
  await azure.setSecret('shop', 'second', 'x')
  await clock.advance(100)
  const { failed, pending } = (await azure.control('GET', '/event-grid')) as Record<string, number>
  assert.deepEqual({ failed, pending }, { failed: 1, pending: 2 })
  await azure.stop()
  const next = await startLocalAzure(t, { stateDir, clock })
  const found = (await next.control('GET', '/event-grid')) as { pending: number }
  assert.equal(found.pending, 2)
  await clock.advance(11_000)
  assert.deepEqual(await subjects({ ...place, azure: next }), ['second'])
})

test('the control socket delays, duplicates and drops deliveries', async (t) => {
  const place = await withTopic(t)
  const { azure, account, topic } = place
  await azure.arm.put(`${topic.id}/eventSubscriptions/to-queue`, toQueue(account))
  await azure.control('PUT', '/event-grid', { duplicate: 1 })
  await azure.setSecret('shop', 'twice', 'x')
  await delivered(place, 2)
  const [first, second] = await peek(place)
  assert.equal(first.id, second.id)
  await azure.control('PUT', '/event-grid', { drop: 1 })
  await azure.setSecret('shop', 'lost', 'x')
  await azure.control('PUT', '/event-grid', { delayMs: 0 })
  await azure.setSecret('shop', 'kept', 'x')
  await delivered(place, 3)
  assert.deepEqual(await subjects(place), ['kept', 'twice', 'twice'])
  await assert.rejects(azure.control('PUT', '/event-grid', { duplicate: 2 }), /400.*duplicate/)
})

test('a burst of events arrives completely', async (t) => {
  const place = await withTopic(t)
  const { azure, account, topic } = place
  await azure.arm.put(`${topic.id}/eventSubscriptions/to-queue`, toQueue(account))
  await Promise.all(Array.from({ length: 200 }, () => azure.setSecret('shop', 'pw', 'x')))
  await delivered(place, 200)
  const { headers } = await queueCall(place, 'GET', '/events?comp=metadata')
  assert.equal(headers['x-ms-approximate-messages-count'], '200')
})

test('Event Grid has to be registered, and refuses what a topic or a subscription cannot be', async (t) => {
  const azure = await startLocalAzure(t)
  const vault = await azure.createVault('shop')
  const account = await createStorageAccount(azure)
  const body = { location: 'westeurope', properties: { source: vault.id, topicType: 'Microsoft.KeyVault.vaults' } }
  const path = topicPath(azure, 'shop-events')
  await assert.rejects(azure.arm.put(path, body), /409 MissingSubscriptionRegistration/)
  await register(azure)
  await assert.rejects(azure.arm.put(path, { ...body, location: 'eastus' }), /400.*expected 'westeurope'/)
  const source = `${vault.id}-other`
  await assert.rejects(
    azure.arm.put(path, { ...body, properties: { ...body.properties, source } }),
    /is not a vault that exists/,
  )
  const topic = await azure.arm.put(path, body)
  await assert.rejects(azure.arm.put(topicPath(azure, 'second'), body), /Only one system topic is allowed per source/)
  const subscription = `${topic.id}/eventSubscriptions/to-queue`
  await assert.rejects(azure.arm.put(subscription, toQueue(account)), /needs an identity of the type 'SystemAssigned'/)
  const hub = { destination: { endpointType: 'EventHub', properties: { resourceId: '/x' } } }
  await assert.rejects(azure.arm.put(subscription, { properties: hub }), /501 NotImplemented.*EventHub/)
  await azure.arm.delete(vault.id)
  await assert.rejects(azure.arm.get(topic.id), /404 ResourceNotFound/)
})

test('a subscription to the queue of another account needs rights on that account', async (t) => {
  const azure = await startLocalAzure(t)
  const vault = await azure.createVault('shop')
  const account = await createStorageAccount(azure)
  await register(azure)
  const { principalId, token: tokenFor } = await createApplication(azure)
  await azure.assignRole('EventGrid Contributor', principalId, vault.id)
  const token = await tokenFor('https://management.azure.com')
  const { destination } = toQueue(account).properties.deliveryWithResourceIdentity
  const path = `${vault.id}/providers/Microsoft.EventGrid/eventSubscriptions/direct?api-version=2022-06-15`
  const { status, body } = await azure.send({
    method: 'PUT',
    url: new URL(path, 'https://management.azure.com'),
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ properties: { destination } }),
  })
  assert.equal(status, 403)
  assert.match(body.toString('utf8'), /LinkedAuthorizationFailed/)
})
