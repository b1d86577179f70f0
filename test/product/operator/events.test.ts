import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classAnnotations, parseEventsConfirmation, resources } from '#kubernetes/client'
import { sleep } from '#lib'
import { forEachLimited } from '#lib/async'
import { until } from '../../support/eventually.ts'
import { type EventsLab, startEventsLab, vault } from './events-lab.ts'

const secrets = `https://${vault}.vault.azure.net/secrets`

const driver = { name: 'secrets-store.csi.k8s.io' }

async function createDriverObject({ kube }: EventsLab): Promise<void> {
  const object = { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: driver, spec: {} }
  await kube.create(resources.csiDrivers, object).catch(() => undefined)
}

async function confirmation({ kube }: EventsLab) {
  const { metadata } = await kube.get(resources.csiDrivers, driver)
  return parseEventsConfirmation(metadata.annotations?.['keymount.dev/events-confirmed'] ?? '')
}

for (const transport of ['queue', 'namespace topic'] as const) {
  test(`${transport}: an event in the queue annotates the classes that have the object, and its message is deleted`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.allow()
    await lab.createClass('app', ['DB', 'cache'])
    await lab.createClass('other', ['cache'])
    await lab.createClass('elsewhere', ['db'], 'another-vault')
    const operator = await lab.operate(lab.transport)
    await lab.send({ id: 'e1', version: 'a1' })
    const change = await until('the annotation', () => lab.change('app'))
    assert.equal(change.id, 'e1')
    assert.deepEqual(change.objects, [`${secrets}/db/a1`])
    assert.ok(change.seen >= change.at)
    await until('the deletion of the message', async () => (await lab.depth()) === 0)
    assert.deepEqual([await lab.change('other'), await lab.change('elsewhere')], [undefined, undefined])

    await lab.sendNonsense()
    await lab.send({ id: 'e2', type: 'SecretNearExpiry' })
    await lab.send({ id: 'e3', name: 'unknown' })
    await lab.send({ id: 'e1', version: 'a1' })
    await until('the deletion of what leads to nothing', async () => (await lab.depth()) === 0)
    assert.equal((await lab.change('app'))?.id, 'e1')
    const metrics = await operator.metrics()
    for (const why of ['invalid', 'type', 'unmatched', 'duplicate'])
      assert.equal(metrics.value('events_ignored_total', { why }), 1, why)
    assert.equal(metrics.value('events_source_up', { source: transport }), 1)
    assert.equal(metrics.value('events_changes_total', { result: 'written' }), 1)
    assert.equal(metrics.value('events_held', {}), 0)
  })

  test(`${transport}: the operator confirms the vaults of its queue on the CSIDriver object while the queue answers, and not the others`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.createClass('app', ['db'])
    await createDriverObject(lab)
    const operator = await lab.operate(lab.transport, `--events-vaults=${vault}`, '--events-quiet-poll-interval=24h')
    await lab.event('EventsUnavailable')
    assert.equal(await confirmation(lab), undefined, 'it may not read the queue')
    await lab.allow()
    const found = await until('the confirmation', () => confirmation(lab))
    assert.deepEqual([...found.vaults.keys()], [`${vault}.vault.azure.net`])
    assert.equal(found.intervalMs, 24 * 3_600_000)
    await until('the metric', async () => {
      const metrics = await operator.metrics()
      return metrics.value('events_confirmed', { vault: `${vault}.vault.azure.net` }) === 1
    })
  })

  test(`${transport}: in a large cluster the drivers spread their reads of all objects of the class, of which one has changed`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.allow()
    await lab.createClass('app', ['db', 'cache', 'key'])
    const nodes = Array.from({ length: 300 }, (_, index) => `node-${index}`)
    await forEachLimited(nodes, 8, async (node) => {
      const metadata = {
        namespace: 'default',
        name: `pod-${node}-default-app`,
        labels: { 'internal.secrets-store.csi.k8s.io/node-name': node },
      }
      await lab.kube.create(resources.secretProviderClassPodStatuses, {
        apiVersion: 'secrets-store.csi.x-k8s.io/v1',
        kind: 'SecretProviderClassPodStatus',
        metadata,
      })
    })
    await lab.operate(lab.transport)
    // The first events may come before the nodes are counted.
    let events = 0
    const { objects, spreadSeconds, signInSpreadSeconds } = await until('a spread', async () => {
      await lab.send({ id: `e${++events}`, version: 'a1' })
      await sleep(1500)
      const change = await lab.change('app')
      return change?.spreadSeconds === 0 ? undefined : change
    })
    assert.deepEqual(objects, [`${secrets}/db/a1`])
    assert.equal(spreadSeconds, 6, '900 reads at 150 in a second')
    assert.equal(signInSpreadSeconds, 20, '300 sign-ins at 15 in a second')
  })

  test(`${transport}: a class is found however late it is created or edited`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.allow()
    await lab.operate(lab.transport)
    await lab.createClass('app', ['cache'])
    const parameters = { objects: 'array:\n  - |\n    objectName: db\n    objectType: secret\n' }
    await lab.kube.patch(
      resources.secretProviderClasses,
      { namespace: 'default', name: 'app' },
      { spec: { parameters } },
    )
    await sleep(500)
    await lab.send({ id: 'e1' })
    await until('the annotation', async () => (await lab.change('app'))?.id === 'e1')
  })

  test(`${transport}: many changes of a class in a short time are few annotations, of which the last has the last event`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.allow()
    await lab.createClass('app', ['db'])
    const texts = new Set<string>()
    const stopping = new AbortController()
    const watching = (async () => {
      const { resourceVersion } = await lab.kube.list(resources.secretProviderClasses)
      const { signal } = stopping
      for await (const { object } of lab.kube.watch(resources.secretProviderClasses, {
        resourceVersion,
        signal,
      }))
        if ('metadata' in object) texts.add(object.metadata.annotations?.[classAnnotations.changed] ?? '')
    })().catch((error: unknown) => assert.ok(stopping.signal.aborted, String(error)))
    await lab.operate(lab.transport)
    const started = performance.now()
    for (let number = 1; number <= 150; number++) await lab.send({ id: `e${number}` })
    await until('the last event', async () => (await lab.change('app'))?.id === 'e150')
    await until('an empty queue', async () => (await lab.depth()) === 0)
    const seconds = (performance.now() - started) / 1000
    await until('the watch to show the last event', () => [...texts].some((text) => text.includes('e150')))
    stopping.abort()
    await watching
    texts.delete('')
    assert.ok(texts.size <= seconds + 2, `${texts.size} annotations in ${seconds} s`)
  })

  test(`${transport}: a queue that refuses is reported on the pod of the operator, and asked again`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.createClass('app', ['db'])
    await lab.send({ id: 'e1' })
    const operator = await lab.operate(lab.transport)
    const { message = '', involvedObject } = await lab.event('EventsUnavailable')
    assert.match(message, lab.refusal)
    assert.deepEqual([involvedObject.kind, involvedObject.name], ['Pod', 'operator-1'])
    assert.equal((await operator.metrics()).value('events_source_up', { source: transport }), 0)
    assert.equal(await lab.change('app'), undefined)
    await lab.allow()
    await until('the annotation', async () => (await lab.change('app'))?.id === 'e1')
    await lab.event('EventsReceived')
    assert.equal((await operator.metrics()).value('events_source_up', { source: transport }), 1)
  })

  test(`${transport}: an event that others took five times in vain is given up, which ends quiet polling until each volume was read, and later events are passed on`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.allow()
    await lab.createClass('app', ['db'])
    await createDriverObject(lab)
    const operate = () => lab.operate(lab.transport, `--events-vaults=${vault}`, '--events-quiet-poll-interval=24h')
    const periodOf = async () => (await confirmation(lab))?.vaults.get(`${vault}.vault.azure.net`)
    const first = await operate()
    const before = await until('a confirmation', periodOf)
    await first.stop()
    await lab.send({ id: 'e1' })
    await lab.readInVain(5)

    const second = await operate()
    await until('the end of the event', async () => (await lab.depth()) === 0)
    await until('another period', async () => ![undefined, before].includes(await periodOf()))
    assert.equal(await lab.change('app'), undefined)
    await lab.send({ id: 'e2' })
    await until('the annotation', async () => (await lab.change('app'))?.id === 'e2')
    const metrics = await second.metrics()
    assert.equal(metrics.value('events_ignored_total', { why: 'undeliverable' }), 1)
    assert.equal(metrics.value('events_source_up', { source: transport }), 1)
  })

  test(`${transport}: an event that others took four times in vain is passed on`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.allow()
    await lab.createClass('app', ['db'])
    await lab.send({ id: 'e1' })
    await lab.readInVain(4)
    await lab.operate(lab.transport)
    await until('the annotation', async () => (await lab.change('app'))?.id === 'e1')
    await until('an empty queue', async () => (await lab.depth()) === 0)
  })

  test(`${transport}: what one operator leaves another one finishes`, async (t) => {
    const lab = await startEventsLab(t, transport)
    await lab.allow()
    await lab.createClass('app', ['db'])
    const first = await lab.operate(lab.transport)
    await lab.send({ id: 'e1' })
    await until('the annotation', () => lab.change('app'))
    await first.stop()
    await lab.send({ id: 'e2' })
    await lab.operate(lab.transport)
    await until('the annotation', async () => (await lab.change('app'))?.id === 'e2')
    await until('an empty queue', async () => (await lab.depth()) === 0)
  })
}

test('a vault that is watched needs no queue: its lists show what has changed', async (t) => {
  const lab = await startEventsLab(t)
  const { id } = await lab.azure.createVault(vault)
  await lab.azure.assignRole('Key Vault Reader', lab.identity.principalId, id)
  await lab.azure.setSecret(vault, 'db', 'first')
  await lab.createClass('app', ['db'])
  const operator = await lab.operate(`--events-watch-vaults=${vault}=5s`)
  const first = await until('what was set before', () => lab.change('app'))
  assert.deepEqual(first.objects, [`${secrets}/db`])
  await lab.azure.setSecret(vault, 'db', 'second')
  await until('another change', async () => (await lab.change('app'))?.id !== first.id)
  assert.equal((await operator.metrics()).value('events_source_up', { source: `vault ${vault}` }), 1)
})
