import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ClientSecretCredential } from '@azure/identity'
import { QueueServiceClient, StorageSharedKeyCredential } from '@azure/storage-queue'
import { parseXml, xmlText } from '#lib/formats'
import { createApplication } from '../../support/application.ts'
import { sdkOptions, startLocalAzure, type TestAzure, trustInThisProcess } from '../../support/local-azure.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { messageBody, type QueueCall, sharedKeyHeaders } from '../../support/queue-calls.ts'
import { createStorageAccount, type TestAccount } from '../../support/storage-account.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const storage = 'https://storage.azure.com'

/** One exchange with the account's queues: signed with its key, or with a bearer token. */
async function ask(azure: TestAzure, account: TestAccount, call: QueueCall, token?: string, at?: number) {
  const headers =
    token === undefined
      ? sharedKeyHeaders(call, { account: account.name, key: account.key, ...(at === undefined ? {} : { at }) })
      : { authorization: `Bearer ${token}`, 'x-ms-version': '2025-01-05', ...call.headers }
  const { method, target, body } = call
  const url = new URL(target, account.queues)
  const answer = await azure.send({ method: method as 'GET', url, headers, body })
  const text = answer.body.toString('utf8')
  const code = answer.headers['x-ms-error-code']
  return { status: answer.status, code, headers: answer.headers, text }
}

async function withAccount(t: TestContext, overrides: Parameters<typeof startLocalAzure>[1] = {}) {
  const azure = await startLocalAzure(t, overrides)
  return { azure, account: await createStorageAccount(azure) }
}

/** A client of the official SDK: with an account key, or signed in as the administrator. */
function clientOf(azure: TestAzure, account: TestAccount, way: 'key' | 'token'): QueueServiceClient {
  trustInThisProcess(azure)
  const { tenantId, clientId, clientSecret } = azure.administrator
  const credential =
    way === 'key'
      ? new StorageSharedKeyCredential(account.name, account.key)
      : new ClientSecretCredential(tenantId, clientId, clientSecret, sdkOptions(azure))
  return new QueueServiceClient(account.queues, credential, sdkOptions(azure))
}

for (const way of ['key', 'token'] as const) {
  test(`the SDK works with queues and their messages, signed in with a ${way}`, async (t) => {
    const { azure, account } = await withAccount(t)
    const { clientId } = azure.administrator
    const found = await azure.graph('GET', `/servicePrincipals?$filter=appId eq '${clientId}'`)
    await azure.assignRole('Storage Queue Data Contributor', found.body.value[0].id, account.id)
    const service = clientOf(azure, account, way)
    const queue = service.getQueueClient('orders')
    assert.equal((await queue.create({ metadata: { team: 'shop' } }))._response.status, 201)
    assert.equal(await service.getQueueClient('missing').exists(), false)
    assert.equal((await queue.createIfNotExists({ metadata: { team: 'shop' } })).succeeded, false)
    await queue.setMetadata({ team: 'orders', lane: '2' })

    const text = 'a <b> & "c" é 😀'
    const sent = await queue.sendMessage(text)
    await queue.sendMessage('second', { messageTimeToLive: -1 })
    const { metadata, approximateMessagesCount } = await queue.getProperties()
    assert.deepEqual([metadata, approximateMessagesCount], [{ team: 'orders', lane: '2' }, 2])
    const names: unknown[] = []
    for await (const { name, metadata } of service.listQueues({ prefix: 'ord', includeMetadata: true })) {
      names.push([name, metadata])
    }
    assert.deepEqual(names, [['orders', { team: 'orders', lane: '2' }]])

    const peeked = await queue.peekMessages({ numberOfMessages: 32 })
    assert.deepEqual(
      peeked.peekedMessageItems.map(({ messageText, dequeueCount }) => [messageText, dequeueCount]),
      [
        [text, 0],
        ['second', 0],
      ],
    )
    assert.equal(peeked.peekedMessageItems[1]?.expiresOn.getUTCFullYear(), 9999)
    const [first] = (await queue.receiveMessages({ visibilityTimeout: 60 })).receivedMessageItems
    assert.ok(first)
    assert.deepEqual([first.messageId, first.messageText, first.dequeueCount], [sent.messageId, text, 1])
    const updated = await queue.updateMessage(first.messageId, first.popReceipt, 'changed', 0)
    await assert.rejects(queue.deleteMessage(first.messageId, first.popReceipt), { code: 'PopReceiptMismatch' })
    const both = (await queue.receiveMessages({ numberOfMessages: 2 })).receivedMessageItems
    assert.deepEqual(both.map(({ messageText }) => messageText).toSorted(), ['changed', 'second'])
    await assert.rejects(queue.deleteMessage(first.messageId, updated.popReceipt ?? ''), { code: 'PopReceiptMismatch' })
    for (const { messageId, popReceipt } of both) await queue.deleteMessage(messageId, popReceipt)
    await queue.sendMessage('third')
    await queue.clearMessages()
    assert.equal((await queue.getProperties()).approximateMessagesCount, 0)
    await queue.delete()
    await assert.rejects(queue.getProperties(), { statusCode: 404, code: 'QueueNotFound' })
  })
}

test('a message is hidden while it is worked on, comes back, and expires', async (t) => {
  const clock = createManualClock()
  const { azure, account } = await withAccount(t, { clock })
  const call = (method: string, target: string, body?: string) =>
    ask(azure, account, { method, target, body }, undefined, clock.now())
  await call('PUT', '/work')
  await call('POST', '/work/messages?messagettl=100', messageBody('short'))
  await call('POST', '/work/messages?visibilitytimeout=50&messagettl=-1', messageBody('later'))
  const texts = async () => {
    const { text } = await call('GET', '/work/messages?numofmessages=32&visibilitytimeout=30')
    return parseXml('the answer', text).children.map((message) => [
      xmlText(message, 'MessageText'),
      xmlText(message, 'DequeueCount'),
    ])
  }
  assert.deepEqual(await texts(), [['short', '1']])
  assert.deepEqual(await texts(), [])
  await clock.advance(30_000)
  assert.deepEqual(await texts(), [['short', '2']])
  await clock.advance(30_000)
  assert.deepEqual((await texts()).toSorted(), [
    ['later', '1'],
    ['short', '3'],
  ])
  await clock.advance(60_000)
  assert.deepEqual(await texts(), [['later', '2']])
  const count = (await call('GET', '/work?comp=metadata')).headers['x-ms-approximate-messages-count']
  assert.equal(count, '1')
})

test('queues and messages survive a restart of the local Azure, and go with their account', async (t) => {
  const stateDir = temporaryDirectory(t, 'queues-')
  const first = await withAccount(t, { stateDir })
  const { account } = first
  await ask(first.azure, account, { method: 'PUT', target: '/kept' })
  await ask(first.azure, account, { method: 'POST', target: '/kept/messages', body: messageBody('one') })
  await ask(first.azure, account, { method: 'GET', target: '/kept/messages?visibilitytimeout=600' })
  await ask(first.azure, account, { method: 'POST', target: '/kept/messages', body: messageBody('two') })
  await first.azure.stop()

  const azure = await startLocalAzure(t, { stateDir })
  const taken = await ask(azure, account, { method: 'GET', target: '/kept/messages?numofmessages=32' })
  assert.deepEqual(
    parseXml('the answer', taken.text).children.map((message) => xmlText(message, 'MessageText')),
    ['two'],
  )
  await azure.arm.delete(account.id)
  const again = await createStorageAccount(azure, account.name)
  assert.notEqual(again.key, account.key)
  assert.equal((await ask(azure, again, { method: 'GET', target: '/kept?comp=metadata' })).code, 'QueueNotFound')
})

test('what a bearer token may do with queues and messages depends on its roles, as in Azure', async (t) => {
  const { azure, account } = await withAccount(t)
  await ask(azure, account, { method: 'PUT', target: '/orders' })
  await ask(azure, account, { method: 'PUT', target: '/spare' })
  const calls: Record<string, QueueCall> = {
    list: { method: 'GET', target: '/?comp=list' },
    create: { method: 'PUT', target: '/orders' },
    metadata: { method: 'GET', target: '/orders?comp=metadata' },
    put: { method: 'POST', target: '/orders/messages', body: messageBody('x') },
    peek: { method: 'GET', target: '/orders/messages?peekonly=true' },
    get: { method: 'GET', target: '/orders/messages' },
    update: { method: 'PUT', target: '/orders/messages/m?popreceipt=r&visibilitytimeout=0' },
    delete: { method: 'DELETE', target: '/orders/messages/m?popreceipt=r' },
    clear: { method: 'DELETE', target: '/orders/messages' },
    'of another queue': { method: 'GET', target: '/spare?comp=metadata' },
  }
  const allowed = async (role: string | undefined, scope: string) => {
    const { principalId, token: tokenFor } = await createApplication(azure)
    if (role !== undefined) await azure.assignRole(role, principalId, scope)
    const token = await tokenFor(storage)
    const permitted: string[] = []
    for (const [name, call] of Object.entries(calls)) {
      const { status, code } = await ask(azure, account, call, token)
      if (status !== 403) permitted.push(name)
      else assert.equal(code, 'AuthorizationPermissionMismatch')
    }
    return permitted
  }
  const everything = Object.keys(calls)
  const orders = `${account.id}/queueServices/default/queues/orders`
  const found = {
    nothing: await allowed(undefined, account.id),
    contributor: await allowed('Storage Queue Data Contributor', account.id),
    reader: await allowed('Storage Queue Data Reader', account.id),
    processor: await allowed('Storage Queue Data Message Processor', orders),
    sender: await allowed('Storage Queue Data Message Sender', orders),
    owner: await allowed('Owner', account.id),
  }
  assert.deepEqual(found, {
    nothing: [],
    contributor: everything,
    reader: ['list', 'metadata', 'peek', 'of another queue'],
    processor: ['peek', 'get', 'delete'],
    sender: ['put'],
    owner: ['list', 'create', 'metadata', 'of another queue'],
  })
})

test('a request without a proof, or with a wrong one, is refused with the reason', async (t) => {
  const { azure, account } = await withAccount(t)
  const call = { method: 'GET', target: '/?comp=list' } as const
  const send = async (headers: Record<string, string>) => {
    const { status, headers: answered, body } = await azure.send({ url: new URL(call.target, account.queues), headers })
    return { status, answered, error: parseXml('the answer', body.toString('utf8')) }
  }
  const without = await send({ 'x-ms-version': '2025-01-05' })
  assert.deepEqual([without.status, xmlText(without.error, 'Code')], [401, 'NoAuthenticationInformation'])
  assert.equal(
    without.answered['www-authenticate'],
    `Bearer authorization_uri=https://login.microsoftonline.com/${azure.administrator.tenantId}/oauth2/authorize resource_id=https://storage.azure.com`,
  )
  const ofVault = await ask(azure, account, call, await azure.token('https://vault.azure.net'))
  assert.match(ofVault.text, /<Code>InvalidAuthenticationInfo<[\s\S]*Audience validation failed/)
  const old = { authorization: `Bearer ${await azure.token(storage)}`, 'x-ms-version': '2017-04-17' }
  assert.equal((await send(old)).status, 401)

  const signed = sharedKeyHeaders(call, { account: account.name, key: account.key })
  assert.equal((await send(signed)).status, 200)
  const wrong = await send({ ...signed, 'x-ms-client-request-id': 'added' })
  assert.deepEqual([wrong.status, xmlText(wrong.error, 'Code')], [403, 'AuthenticationFailed'])
  assert.match(xmlText(wrong.error, 'AuthenticationErrorDetail') ?? '', /x-ms-client-request-id:added/)
  const late = sharedKeyHeaders(call, { account: account.name, key: account.key, at: Date.now() - 20 * 60_000 })
  assert.equal((await send(late)).status, 403)
  const otherAccount = sharedKeyHeaders(call, { account: 'other', key: account.key })
  assert.equal((await send(otherAccount)).status, 403)
  assert.equal((await send({ authorization: 'SharedKeyLite x:y' })).status, 400)

  const { keys } = await azure.arm('POST', `${account.id}/regenerateKey`, { keyName: 'key1' })
  assert.equal((await send(sharedKeyHeaders(call, { account: account.name, key: account.key }))).status, 403)
  assert.equal((await send(sharedKeyHeaders(call, { account: account.name, key: keys[0].value }))).status, 200)
  await azure.arm('PATCH', account.id, { properties: { allowSharedKeyAccess: false } })
  const off = await send(sharedKeyHeaders(call, { account: account.name, key: keys[0].value }))
  assert.equal(xmlText(off.error, 'Code'), 'KeyBasedAuthenticationNotPermitted')
  const sas = await azure.send({ url: new URL('/?comp=list&sv=2025-01-05&sig=x', account.queues) })
  assert.equal(sas.status, 501)
})

test('messages, bodies, metadata and queues have limits', async (t) => {
  const { azure, account } = await withAccount(t)
  const call = (method: string, target: string, more: Partial<QueueCall> = {}) =>
    ask(azure, account, { method, target, ...more })
  await call('PUT', '/orders')
  const put = async (text: string) => {
    const { status, code } = await call('POST', '/orders/messages', { body: messageBody(text) })
    return [status, code]
  }
  assert.deepEqual(await put('é'.repeat(32 * 1024)), [201, undefined])
  assert.deepEqual(await put(`${'é'.repeat(32 * 1024)}.`), [413, 'RequestBodyTooLarge'])
  assert.deepEqual(await put('&'.repeat(600 * 1024)), [413, 'RequestBodyTooLarge'])
  const metadata = { 'x-ms-meta-a': 'x'.repeat(8 * 1024) }
  assert.equal((await call('PUT', '/big', { headers: metadata })).code, 'MetadataTooLarge')
  for (let n = 1; n < 1000; n++) assert.equal((await call('PUT', `/q-${n}`)).status, 201)
  assert.deepEqual((await call('PUT', '/one-more')).status, 507)
})

test('an account that keeps public clients out refuses requests', async (t) => {
  const azure = await startLocalAzure(t)
  const account = await createStorageAccount(azure, undefined, { networkAcls: { defaultAction: 'Deny' } })
  assert.equal((await ask(azure, account, { method: 'GET', target: '/?comp=list' })).code, 'AuthorizationFailure')
})

test('a fault of the host of queues is answered in its own form', async (t) => {
  const { azure, account } = await withAccount(t)
  await azure.control('PUT', `/faults/${account.name}.queue.core.windows.net`, { kind: 'throttle' })
  const { status, headers, text } = await ask(azure, account, { method: 'GET', target: '/?comp=list' })
  assert.deepEqual([status, headers['retry-after']], [429, '1'])
  assert.equal(parseXml('the answer', text).name, 'Error')
})
