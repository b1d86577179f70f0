import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type CloudEvent, EventGridReceiverClient, EventGridSenderClient } from '@azure/eventgrid-namespaces'
import { sleep } from '#lib'
import { createApplication, type TestApplication } from '../../support/application.ts'
import { createEventGridNamespace, type TestNamespace } from '../../support/event-grid-namespace.ts'
import { eventually } from '../../support/eventually.ts'
import {
  sdkOptions,
  startLocalAzure,
  type TestAzure,
  testGroup,
  trustInThisProcess,
} from '../../support/local-azure.ts'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

interface Place {
  azure: TestAzure
  namespace: TestNamespace
  sender: EventGridSenderClient
  receiver: EventGridReceiverClient
}

/** A namespace, and clients of the official SDK: one that may publish to its topic, one that may receive from its subscription. */
async function withNamespace(
  t: TestContext,
  options: { clock?: ManualClock; queue?: object; filters?: object; stateDir?: string } = {},
): Promise<Place> {
  const { clock, stateDir, ...settings } = options
  const overrides = { ...(clock === undefined ? {} : { clock }), ...(stateDir === undefined ? {} : { stateDir }) }
  const azure = await startLocalAzure(t, overrides)
  trustInThisProcess(azure)
  const namespace = await createEventGridNamespace(azure, settings)
  const [publisher, consumer] = [
    await createApplication(azure, 'publisher'),
    await createApplication(azure, 'consumer'),
  ]
  await azure.assignRole('EventGrid Data Sender', publisher.principalId, namespace.topic.id)
  await azure.assignRole('EventGrid Data Receiver', consumer.principalId, namespace.subscription.id)
  return {
    azure,
    namespace,
    sender: senderOf(azure, namespace, publisher),
    receiver: receiverOf(azure, namespace, consumer),
  }
}

/** The SDK repeats what fails; a test that expects a failure would wait for its last attempt. */
const optionsOf = (azure: TestAzure) => ({ ...sdkOptions(azure), retryOptions: { maxRetries: 0 } })

const eventGrid = 'https://eventgrid.azure.net'

function credentialOf(application: TestApplication) {
  return {
    getToken: async () => ({ token: await application.token(eventGrid), expiresOnTimestamp: Date.now() + 600_000 }),
  }
}

function senderOf(azure: TestAzure, { endpoint, topic }: TestNamespace, application: TestApplication) {
  return new EventGridSenderClient(endpoint, credentialOf(application), topic.name, optionsOf(azure))
}

function receiverOf(azure: TestAzure, { endpoint, topic, subscription }: TestNamespace, application: TestApplication) {
  const credential = credentialOf(application)
  return new EventGridReceiverClient(endpoint, credential, topic.name, subscription.name, optionsOf(azure))
}

const event = (id: string, data: object = {}): CloudEvent<object> => ({ id, type: 'test', source: '/test', data })

/** What can be received now, without waiting for more. */
async function received({ receiver }: Place, count = 10) {
  const { details } = await receiver.receiveEvents({ maxEvents: count, maxWaitTime: 10 })
  return details.map(({ brokerProperties, event: { id } }) => ({ id, ...brokerProperties }))
}

/** A receive that waits: its time passes until it is answered. */
async function whileTimePasses<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let isDone = false
  const ended = work.finally(() => {
    isDone = true
  })
  while (!isDone) {
    await clock.advance(250)
    await sleep(20)
  }
  return ended
}

const tokensOf = (details: readonly { lockToken: string }[]) => details.map(({ lockToken }) => lockToken)

test('the SDK publishes events, receives them with lock tokens, and acknowledges them', async (t) => {
  const place = await withNamespace(t)
  const { sender, receiver } = place
  await sender.sendEvents({ ...event('e1', { a: 1 }), subject: 'db', extensionAttributes: { team: 'shop' } })
  await sender.sendEvents([event('e2'), event('e3')])
  const { details } = await receiver.receiveEvents({ maxEvents: 10 })
  assert.deepEqual(
    details.map(({ brokerProperties, event: { id } }) => [id, brokerProperties.deliveryCount]),
    [
      ['e1', 1],
      ['e2', 1],
      ['e3', 1],
    ],
  )
  const [first] = details
  assert.deepEqual([first?.event.data, first?.event.subject, first?.event.type], [{ a: 1 }, 'db', 'test'])
  const tokens = details.map(({ brokerProperties }) => brokerProperties.lockToken)
  const answer = await receiver.acknowledgeEvents([...tokens.slice(0, 2), 'nonsense'])
  assert.deepEqual(answer.succeededLockTokens, tokens.slice(0, 2))
  assert.deepEqual(
    answer.failedLockTokens.map(({ error }) => error.code),
    ['BadToken'],
  )
  const again = await receiver.acknowledgeEvents(tokens)
  assert.deepEqual(again.succeededLockTokens, tokens.slice(2))
  assert.deepEqual(
    again.failedLockTokens.map(({ error }) => error.code),
    ['TokenLost', 'TokenLost'],
  )
})

test('a receive waits for an event that comes later, and is over when its client leaves', async (t) => {
  const place = await withNamespace(t)
  const { sender, receiver } = place
  const waiting = received(place)
  await sleep(300)
  await sender.sendEvents(event('late'))
  const [late] = await waiting
  assert.equal(late?.id, 'late')
  const leaving = new AbortController()
  const left = receiver.receiveEvents({ maxWaitTime: 60, abortSignal: leaving.signal })
  setImmediate(() => leaving.abort())
  await assert.rejects(left, { name: 'AbortError' })
  await sender.sendEvents(event('kept'))
  assert.deepEqual(
    (await received(place)).map(({ id }) => id),
    ['kept'],
  )
})

test('an event comes again when its lock has run out, as often as its subscription allows', async (t) => {
  const clock = createManualClock()
  const place = await withNamespace(t, { clock, queue: { receiveLockDurationInSeconds: 60, maxDeliveryCount: 3 } })
  const { sender, receiver } = place
  await sender.sendEvents(event('e1'))
  const [first] = await received(place)
  await clock.advance(59_000)
  const renewed = await receiver.renewEventLocks(tokensOf([first ?? assert.fail()]))
  assert.equal(renewed.succeededLockTokens.length, 1)
  await clock.advance(59_000)
  const second = received(place)
  await clock.advance(2000)
  assert.deepEqual(
    (await second).map(({ id, deliveryCount }) => [id, deliveryCount]),
    [['e1', 2]],
  )
  const late = await receiver.acknowledgeEvents([first?.lockToken ?? ''])
  assert.deepEqual(
    late.failedLockTokens.map(({ error }) => error.code),
    ['TokenLost'],
  )
  await clock.advance(61_000)
  assert.deepEqual(
    (await received(place)).map(({ deliveryCount }) => deliveryCount),
    [3],
  )
  await clock.advance(61_000)
  assert.deepEqual(await whileTimePasses(clock, received(place)), [], 'after the last delivery it is dropped')
})

test('an event that is released comes again after the delay; one that is rejected does not', async (t) => {
  const clock = createManualClock()
  const place = await withNamespace(t, { clock })
  const { sender, receiver } = place
  await sender.sendEvents([event('e1'), event('e2'), event('e3')])
  const [first, second, third] = await received(place)
  if (first === undefined || second === undefined || third === undefined) return assert.fail()
  await receiver.releaseEvents([first.lockToken])
  assert.deepEqual(
    (await received(place)).map(({ id, deliveryCount }) => [id, deliveryCount]),
    [['e1', 2]],
  )
  await receiver.releaseEvents([second.lockToken], { releaseDelay: '10' })
  await receiver.rejectEvents([third.lockToken])
  const delayed = received(place)
  await clock.advance(9000)
  await clock.advance(1000)
  assert.deepEqual(
    (await delayed).map(({ id }) => id),
    ['e2'],
  )
})

test('an event expires after the time to live of its subscription, and comes only if it passes its filter', async (t) => {
  const clock = createManualClock()
  const filters = {
    includedEventTypes: ['test'],
    filters: [{ operatorType: 'StringBeginsWith', key: 'data.name', values: ['db'] }],
  }
  const place = await withNamespace(t, { clock, queue: { eventTimeToLive: 'PT5M' }, filters })
  const { sender } = place
  await sender.sendEvents([event('e1', { name: 'db-1' }), event('e2', { name: 'cache' })])
  await sender.sendEvents({ ...event('e3', { name: 'db-2' }), type: 'other' })
  assert.deepEqual(
    (await received(place)).map(({ id }) => id),
    ['e1'],
  )
  await clock.advance(301_000)
  await sender.sendEvents(event('e4', { name: 'db' }))
  assert.deepEqual(
    (await received(place)).map(({ id }) => id),
    ['e4'],
  )
})

test('who has no role, no token or a token for something else is refused', async (t) => {
  const { azure, namespace, sender } = await withNamespace(t)
  const stranger = await createApplication(azure, 'stranger')
  await assert.rejects(receiverOf(azure, namespace, stranger).receiveEvents(), { statusCode: 403, code: 'Forbidden' })
  await assert.rejects(senderOf(azure, namespace, stranger).sendEvents(event('e1')), { statusCode: 403 })
  await azure.assignRole('EventGrid Data Receiver', stranger.principalId, namespace.id)
  await assert.rejects(senderOf(azure, namespace, stranger).sendEvents(event('e1')), { statusCode: 403 })
  await sender.sendEvents(event('e1'))
  const { details } = await receiverOf(azure, namespace, stranger).receiveEvents()
  assert.equal(details[0]?.event.id, 'e1')

  const url = new URL(`${namespace.url}:receive?api-version=2024-06-01`)
  const status = async (headers: Record<string, string>) => (await azure.send({ method: 'POST', url, headers })).status
  const other = await stranger.token('https://storage.azure.com')
  assert.deepEqual(
    [
      await status({}),
      await status({ authorization: `Bearer ${other}` }),
      await status({ authorization: 'SharedAccessKey x' }),
    ],
    [401, 401, 501],
  )
})

test('counts, waits, delays and sizes outside the limits of Azure are refused', async (t) => {
  const { azure, namespace } = await withNamespace(t)
  const application = await createApplication(azure)
  await azure.assignRole('EventGrid Data Contributor', application.principalId, namespace.id)
  const authorization = `Bearer ${await application.token(eventGrid)}`
  const ask = async (target: string, body?: unknown, type = 'application/json') => {
    const url = new URL(`${namespace.endpoint}/topics/changes${target}`)
    if (!url.searchParams.has('api-version')) url.searchParams.set('api-version', '2024-06-01')
    const headers = { authorization, 'content-type': type }
    const { status } = await azure.send({ method: 'POST', url, headers, body: JSON.stringify(body) })
    return status
  }
  const on = '/eventsubscriptions/cluster'
  for (const query of ['maxEvents=0', 'maxEvents=101', 'maxWaitTime=9', 'maxWaitTime=121', 'maxEvents=x'])
    assert.equal(await ask(`${on}:receive?${query}`), 400, query)
  assert.equal(await ask(`${on}:receive?api-version=2020-01-01`), 400)
  assert.equal(await ask(`${on}:release?releaseDelayInSeconds=11`, { lockTokens: ['a'] }), 400)
  assert.equal(await ask(`${on}:acknowledge`, { lockTokens: Array.from({ length: 101 }, () => 'a') }), 400)
  assert.equal(await ask(`${on}:acknowledge`, { lockTokens: [] }), 400)
  assert.equal(await ask('/eventsubscriptions/missing:acknowledge', { lockTokens: ['a'] }), 404)
  assert.equal(await ask(':publish', event('e1')), 415)
  assert.equal(await ask(':publish', { id: 'e1' }, 'application/cloudevents+json'), 400)
  const large = { ...event('e1'), specversion: '1.0', data: 'x'.repeat(1024 * 1024) }
  assert.equal(await ask(':publish', large, 'application/cloudevents+json'), 413)
})

test('events and their locks survive a restart of the local Azure', async (t) => {
  const stateDir = temporaryDirectory(t, 'local-azure-')
  const place = await withNamespace(t, { stateDir })
  await place.sender.sendEvents([event('e1'), event('e2')])
  const [locked] = await received(place, 1)
  await place.azure.stop()
  const azure = await startLocalAzure(t, { stateDir })
  trustInThisProcess(azure)
  const consumer = await createApplication(azure, 'another')
  await azure.assignRole('EventGrid Data Receiver', consumer.principalId, place.namespace.subscription.id)
  const receiver = receiverOf(azure, place.namespace, consumer)
  assert.deepEqual(
    (await received({ ...place, receiver })).map(({ id }) => id),
    ['e2'],
  )
  const { succeededLockTokens } = await receiver.acknowledgeEvents([locked?.lockToken ?? ''])
  assert.equal(succeededLockTokens.length, 1)
})

test("a vault's change comes to the topic as a CloudEvent, by the identity of the system topic with its role", async (t) => {
  const place = await withNamespace(t)
  const { azure, namespace, receiver } = place
  const vault = await azure.createVault('shop')
  const systemTopics = `/subscriptions/${azure.administrator.subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.EventGrid/systemTopics`
  const systemTopic = await azure.arm.put(`${systemTopics}/shop-events`, {
    location: 'westeurope',
    identity: { type: 'SystemAssigned' },
    properties: { source: vault.id, topicType: 'microsoft.keyvault.vaults' },
  })
  const destination = { endpointType: 'NamespaceTopic', properties: { resourceId: namespace.topic.id } }
  const subscription = `${systemTopic.id}/eventSubscriptions/to-topic`
  const withIdentity = { deliveryWithResourceIdentity: { identity: { type: 'SystemAssigned' }, destination } }
  const schema = { ...withIdentity, eventDeliverySchema: 'EventGridSchema' }
  await assert.rejects(
    azure.arm.put(subscription, { properties: { destination } }),
    /501 .*deliveryWithResourceIdentity/,
  )
  await assert.rejects(azure.arm.put(subscription, { properties: schema }), /400 .*CloudEventSchemaV1_0/)
  const created = await azure.arm.put(subscription, { properties: withIdentity })
  assert.equal(created.properties.eventDeliverySchema, 'CloudEventSchemaV1_0')
  assert.deepEqual(created.properties.deliveryWithResourceIdentity.destination, destination)

  await azure.setSecret('shop', 'pw', 'one')
  await eventually(async () => {
    const { failed } = (await azure.control('GET', '/event-grid')) as { failed: number }
    assert.equal(failed, 1, 'the identity has no role yet')
  })
  await azure.assignRole('EventGrid Data Sender', systemTopic.identity.principalId, namespace.topic.id)
  const id = await azure.setSecret('shop', 'pw', 'two')
  const { details } = await receiver.receiveEvents<{ Id: string }>({ maxEvents: 1 })
  const [found] = details
  assert.deepEqual(
    [found?.event.type, found?.event.source, found?.event.subject, found?.event.data?.Id],
    ['Microsoft.KeyVault.SecretNewVersionCreated', vault.id, 'pw', id],
  )
})

test('Resource Manager keeps namespaces, topics and subscriptions, and refuses what it has not', async (t) => {
  const { azure, namespace } = await withNamespace(t)
  const { id, topic, subscription, name } = namespace
  assert.equal(
    (await azure.arm.get(id)).properties.topicsConfiguration.hostname,
    `${name}.westeurope-1.eventgrid.azure.net`,
  )
  assert.deepEqual(
    (await azure.arm.get(`${id}/topics`)).value.map((one: { id: string }) => one.id),
    [topic.id],
  )
  assert.deepEqual((await azure.arm.get(subscription.id)).properties.deliveryConfiguration, {
    deliveryMode: 'Queue',
    queue: { receiveLockDurationInSeconds: 60, maxDeliveryCount: 10, eventTimeToLive: 'P7D' },
  })
  const patch = { properties: { deliveryConfiguration: { queue: { maxDeliveryCount: 4 } } } }
  const patched = await azure.arm('PATCH', subscription.id, patch)
  assert.equal(patched.properties.deliveryConfiguration.queue.maxDeliveryCount, 4)
  const put = (path: string, properties: object) => azure.arm.put(path, { location: 'westeurope', properties })
  await assert.rejects(put(`${id}-2`, { topicSpacesConfiguration: { state: 'Enabled' } }), /501 .*MQTT/)
  const queue = (settings: object) => ({ deliveryConfiguration: { deliveryMode: 'Queue', queue: settings } })
  await assert.rejects(put(subscription.id, queue({ receiveLockDurationInSeconds: 30 })), /400 .*receiveLock/)
  await assert.rejects(put(subscription.id, queue({ eventTimeToLive: 'PT1S' })), /400 .*eventTimeToLive/)
  await assert.rejects(put(subscription.id, { deliveryConfiguration: { deliveryMode: 'Push' } }), /501 .*Push/)
  await azure.arm.delete(topic.id)
  await assert.rejects(azure.arm.get(subscription.id), /404/)
  await azure.arm.delete(id)
  await assert.rejects(azure.arm.get(id), /404/)
})
