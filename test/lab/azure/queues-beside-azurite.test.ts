import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseXml, type XmlElement } from '#lib/formats'
import { createHttpClient, type HttpResponse } from '#lib/http'
import { azuriteMissing, findAzurite, startAzurite } from '../../support/azurite.ts'
import { startLocalAzure } from '../../support/local-azure.ts'
import { messageBody, type QueueCall, sharedKeyHeaders } from '../../support/queue-calls.ts'
import { createStorageAccount } from '../../support/storage-account.ts'

/**
 * Azurite, Microsoft's emulator of storage, answers the same list of calls as the local Azure, and both answers are compared:
 * status, error code, headers that clients read, and XML.
 */
const azurite = findAzurite()

interface Step extends Omit<QueueCall, 'target'> {
  /** `{id}` and `{receipt}` are those of the message that the service answered last. */
  target: string
}

const step = (request: string, body?: string, headers?: Record<string, string>): Step => {
  const [method = '', target = ''] = request.split(' ')
  return { method, target, body, headers }
}
const message = (text: string) => messageBody(text)

const calls: readonly Step[] = [
  step('PUT /orders', undefined, { 'x-ms-meta-team': 'shop' }),
  step('PUT /orders', undefined, { 'x-ms-meta-team': 'shop' }),
  step('PUT /orders', undefined, { 'x-ms-meta-team': 'other' }),
  step('PUT /or'),
  step(`PUT /${'o'.repeat(64)}`),
  step('PUT /Orders'),
  step('PUT /or--ders'),
  step('PUT /-orders'),
  step('PUT /orders_2'),
  step('PUT /bills'),
  step('GET /?comp=list'),
  step('GET /?comp=list&prefix=ord&include=metadata'),
  step('GET /?comp=list&maxresults=2'),
  step('GET /?comp=list&maxresults=0'),
  step('GET /orders?comp=metadata'),
  step('HEAD /orders?comp=metadata'),
  step('PUT /orders?comp=metadata', undefined, { 'x-ms-meta-lane': '2' }),
  step('GET /orders?comp=metadata'),
  step('GET /missing?comp=metadata'),
  step('PUT /missing?comp=metadata'),
  step('DELETE /missing'),
  step('POST /missing/messages', message('x')),
  step('GET /missing/messages'),
  step('GET /missing/messages?peekonly=true'),
  step('DELETE /missing/messages'),
  step('GET /orders/messages'),
  step('GET /orders/messages?peekonly=true'),
  step('POST /orders/messages', message('one & <two> "three" é 😀')),
  step('GET /orders?comp=metadata'),
  step('GET /orders/messages?peekonly=true'),
  step('GET /orders/messages?numofmessages=32&visibilitytimeout=60'),
  step('GET /orders/messages'),
  step('PUT /orders/messages/{id}?popreceipt={receipt}&visibilitytimeout=0', message('changed')),
  step('DELETE /orders/messages/{id}?popreceipt=AAAA'),
  step('GET /orders/messages?visibilitytimeout=60'),
  step('PUT /orders/messages/{id}?popreceipt={receipt}&visibilitytimeout=10'),
  step('DELETE /orders/messages/{id}?popreceipt={receipt}'),
  step('DELETE /orders/messages/{id}?popreceipt={receipt}'),
  step('PUT /orders/messages/{id}?popreceipt={receipt}&visibilitytimeout=0', message('gone')),
  step('POST /orders/messages', message('')),
  step('POST /orders/messages?messagettl=-1', message('for ever')),
  step('POST /orders/messages?messagettl=60&visibilitytimeout=10', message('hidden')),
  step('GET /orders?comp=metadata'),
  step('GET /orders/messages?peekonly=true&numofmessages=32'),
  step('POST /orders/messages?messagettl=0', message('x')),
  step('POST /orders/messages?messagettl=-2', message('x')),
  step('POST /orders/messages?messagettl=10&visibilitytimeout=10', message('x')),
  step('POST /orders/messages?visibilitytimeout=604801', message('x')),
  step('POST /orders/messages?visibilitytimeout=-1', message('x')),
  step('GET /orders/messages?numofmessages=0'),
  step('GET /orders/messages?numofmessages=33'),
  step('GET /orders/messages?visibilitytimeout=0'),
  step('GET /orders/messages?visibilitytimeout=604801'),
  step('GET /orders/messages?peekonly=true&numofmessages=33'),
  step('POST /orders/messages', '<QueueMessage><MessageText>x'),
  step('POST /orders/messages', message('x'.repeat(64 * 1024))),
  step('POST /orders/messages', message('x'.repeat(64 * 1024 + 1))),
  step('POST /orders/messages', message('é'.repeat(32 * 1024 + 1))),
  step('DELETE /orders/messages'),
  step('GET /orders?comp=metadata'),
  step('DELETE /orders'),
  step('GET /orders/messages'),
  step('DELETE /bills'),
  step('GET /?comp=list'),
]

/** A queue service under comparison. */
interface Side {
  send(step: Step): Promise<HttpResponse>
}

test('the queues of the local Azure answer as those of Azurite', {
  skip: azurite === undefined && azuriteMissing,
}, async (t) => {
  const ours = await localAzure(t)
  const theirs = await azuriteSide(t, azurite ?? '')
  const kept = { ours: {}, theirs: {} } as Record<'ours' | 'theirs', Record<string, string>>
  for (const call of calls) {
    const [found, expected] = [await answerOf(ours, call, kept.ours), await answerOf(theirs, call, kept.theirs)]
    await t.test(`${call.method} ${call.target.slice(0, 90)}`, () =>
      assert.deepEqual(comparable(found, expected), expected),
    )
  }
})

/** What Azurite refuses while it reads a request has neither a code nor a body: only the status can be compared. */
function comparable(found: Answer, expected: Answer): Answer {
  const isBare = expected.status === 400 && expected.body === undefined
  return isBare ? { ...found, headers: {}, body: undefined } : found
}

async function localAzure(t: TestContext): Promise<Side> {
  const azure = await startLocalAzure(t)
  const { name, key, queues } = await createStorageAccount(azure, 'compared')
  return {
    send: (call) =>
      azure.send({
        method: call.method as 'GET',
        url: new URL(call.target, queues),
        headers: sharedKeyHeaders(call, { account: name, key }),
        body: call.body,
      }),
  }
}

async function azuriteSide(t: TestContext, program: string): Promise<Side> {
  const { account, key, base, url } = await startAzurite(t, program)
  const http = createHttpClient({})
  t.after(() => http.stop())
  return {
    send: (call) =>
      http.send({
        method: call.method as 'GET',
        url: new URL(`${url}${call.target}`),
        headers: sharedKeyHeaders(call, { account, key, base }),
        body: call.body,
      }),
  }
}

interface Answer {
  status: number
  headers: Record<string, string>
  body: unknown
}

/** What clients read from an answer; ids, receipts and times are replaced by what they look like. */
async function answerOf(side: Side, call: Step, kept: Record<string, string>): Promise<Answer> {
  const target = call.target.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(kept[name] ?? ''))
  const { status, headers, body } = await side.send({ ...call, target })
  const text = body.toString('utf8')
  const root = text === '' ? undefined : parseXml('the answer', text)
  const first = root?.children[0]
  kept.id = childText(first, 'MessageId') ?? kept.id ?? ''
  kept.receipt = childText(first, 'PopReceipt') ?? String(headers['x-ms-popreceipt'] ?? kept.receipt ?? '')
  const named = Object.entries(headers).filter(([name]) => comparedHeaders.test(name))
  return {
    status,
    headers: Object.fromEntries(named.map(([name, value]) => [name, shape(name, String(value))]).toSorted()),
    body: root === undefined ? undefined : shapeOf(root),
  }
}

const comparedHeaders =
  /^(x-ms-(error-code|approximate-messages-count|meta-.*|popreceipt|time-next-visible)|content-type)$/

function childText(element: XmlElement | undefined, name: string): string | undefined {
  return element?.children.find((child) => child.name === name)?.text
}

function shapeOf(element: XmlElement): unknown {
  const { name, children, text } = element
  if (name === 'EnumerationResults') return [name, children.filter(isStated).map(shapeOf)]
  if (name === 'Error')
    return [name, children.map(({ name, text }) => [name, name === 'Message' ? text.split('\n')[0] : text])]
  return children.length === 0 ? [name, shape(name, text)] : [name, children.map(shapeOf)]
}

/** Of the request's own parameters, one that it did not have may be left out. */
function isStated({ name, text }: XmlElement): boolean {
  return !(['Prefix', 'Marker'].includes(name) && text === '') && !(name === 'MaxResults' && text === '5000')
}

function shape(name: string, value: string): string {
  if (/id$/i.test(name)) return /^[\da-f-]{36}$/.test(value) ? 'an id' : value
  if (/receipt$/i.test(name)) return value === '' ? '' : 'a receipt'
  const seconds = (Date.parse(value) - Date.now()) / 1000
  if (/time|visible/i.test(name)) return Number.isNaN(seconds) ? value : `in about ${Math.round(seconds / 5) * 5} s`
  return value
}
