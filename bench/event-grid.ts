/**
 * From a new version of a secret to its event in a storage queue, both in the local Azure: `sets` secrets are set at an even pace
 * while a reader polls the queue, and the time from the event to its reading is measured, on the clock of this machine.
 * The aim is that nothing is lost, at 100 sets per second, and that 99 of 100 events are read within 100 ms (they are delivered
 * 10 to 50 ms after the event). Then messages per second, each put, read and deleted, beside Azurite with the same client in
 * one run, where it is installed: the local Azure writes each message to a file before it answers, Azurite keeps them in
 * memory, and the local Azure serves TLS through its proxy. The last line is JSON.
 *
 * Arguments: sets (default 1000), sets per second (default 100), milliseconds of each comparison (default 5000).
 */
import { sleep } from '#lib'
import { parseXml, xmlText } from '#lib/formats'
import { createHttpClient, type HttpSend } from '#lib/http'
import { azuriteMissing, findAzurite, startAzurite } from '../test/support/azurite.ts'
import { type TestAzure, testAzure } from '../test/support/local-azure.ts'
import { spawnLocalAzure } from '../test/support/local-azure-process.ts'
import { messageBody, type QueueCall, sharedKeyHeaders } from '../test/support/queue-calls.ts'
import { createStorageAccount } from '../test/support/storage-account.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { createCleanup } from './support/cleanup.ts'
import { quantile, rounded } from './support/statistics.ts'

const sets = Number(process.argv[2] ?? 1000)
const setsPerSecond = Number(process.argv[3] ?? 100)
const measureMs = Number(process.argv[4] ?? 5000)
const workers = 8

/** A queue service, called with the key of an account. */
type Call = (call: QueueCall) => ReturnType<HttpSend>

const cleanup = createCleanup()
try {
  const directory = temporaryDirectory(cleanup.t, 'bench-event-grid-')
  const program = await spawnLocalAzure(cleanup.t, directory)
  const azure = await testAzure(cleanup.t, program, directory)
  const local = await callerOf(azure)
  const events = await measureEvents(azure, local)
  console.log(
    `${events.read} of ${sets} events read, at ${events.perSecond} sets/s: p50 ${events.p50} ms, p99 ${events.p99} ms (aim: 100 ms)`,
  )
  const messages = { localAzure: await measureMessages(local), azurite: await measureAzurite() }
  const beside = messages.azurite === undefined ? azuriteMissing : `Azurite ${messages.azurite}/s`
  console.log(`messages put, read and deleted: local Azure ${messages.localAzure}/s; ${beside}`)
  console.log(JSON.stringify({ bench: 'event-grid', events, messages }))
} finally {
  await cleanup.run()
}

async function callerOf(azure: TestAzure): Promise<Call> {
  const { name, key, queues, id } = await createStorageAccount(azure, 'benchqueues')
  const call: Call = (each) =>
    azure.send({
      method: each.method as 'GET',
      url: new URL(each.target, queues),
      headers: sharedKeyHeaders(each, { account: name, key }),
      body: each.body,
    })
  await call({ method: 'PUT', target: '/events' })
  const vault = await azure.createVault('bench-vault')
  const { subscriptionId } = azure.administrator
  await azure.arm('POST', `/subscriptions/${subscriptionId}/providers/Microsoft.EventGrid/register`)
  const destination = { endpointType: 'StorageQueue', properties: { resourceId: id, queueName: 'events' } }
  await azure.arm.put(`${vault.id}/providers/Microsoft.EventGrid/eventSubscriptions/bench`, {
    properties: { destination },
  })
  return call
}

async function measureEvents(azure: TestAzure, call: Call) {
  const lateness: number[] = []
  const reading = readEvents(call, lateness)
  const startedAt = performance.now()
  const pending: Promise<unknown>[] = []
  for (let number = 0; number < sets; number++) {
    const due = startedAt + (number * 1000) / setsPerSecond
    if (due > performance.now()) await sleep(due - performance.now())
    pending.push(azure.setSecret('bench-vault', 'Changing', `value ${number}`))
  }
  await Promise.all(pending)
  const seconds = (performance.now() - startedAt) / 1000
  await reading
  return {
    read: lateness.length,
    perSecond: Math.round(sets / seconds),
    p50: Math.round(quantile(lateness, 0.5)),
    p99: Math.round(quantile(lateness, 0.99)),
  }
}

/** Reads until all events have come, or none for five seconds. */
async function readEvents(call: Call, lateness: number[]): Promise<void> {
  let lastAt = performance.now()
  while (lateness.length < sets && performance.now() - lastAt < 5000) {
    const { body } = await call({ method: 'GET', target: '/events/messages?numofmessages=32&visibilitytimeout=600' })
    const now = Date.now()
    const messages = parseXml('the answer', body.toString('utf8')).children
    for (const message of messages) {
      const text = Buffer.from(xmlText(message, 'MessageText') ?? '', 'base64').toString('utf8')
      lateness.push(now - Date.parse(JSON.parse(text).eventTime))
    }
    if (messages.length > 0) lastAt = performance.now()
    else await sleep(5)
  }
}

async function measureAzurite(): Promise<number | undefined> {
  const program = findAzurite()
  if (program === undefined) return undefined
  const { account, key, base, url } = await startAzurite(cleanup.t, program)
  const http = createHttpClient({})
  cleanup.t.after(() => http.stop())
  return measureMessages((each) =>
    http.send({
      method: each.method as 'GET',
      url: new URL(`${url}${each.target}`),
      headers: sharedKeyHeaders(each, { account, key, base }),
      body: each.body,
    }),
  )
}

/** Messages per second through a queue of its own. */
async function measureMessages(call: Call): Promise<number> {
  await call({ method: 'PUT', target: '/work' })
  const endsAt = performance.now() + measureMs
  let done = 0
  const worker = async () => {
    while (performance.now() < endsAt) {
      await call({ method: 'POST', target: '/work/messages', body: messageBody('x'.repeat(1000)) })
      const { body } = await call({ method: 'GET', target: '/work/messages' })
      for (const message of parseXml('the answer', body.toString('utf8')).children) {
        const [id = '', receipt = ''] = [xmlText(message, 'MessageId'), xmlText(message, 'PopReceipt')]
        const target = `/work/messages/${id}?popreceipt=${encodeURIComponent(receipt)}`
        const { status } = await call({ method: 'DELETE', target })
        if (status === 204) done++
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  return rounded(done / (measureMs / 1000))
}
