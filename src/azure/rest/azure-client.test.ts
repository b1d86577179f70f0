import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SecretValue } from '#lib'
import { HttpFault, type HttpRequest, type HttpResponse } from '#lib/http'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { createAzureClient } from './azure-client.ts'
import { findAzureCloud } from './azure-cloud.ts'
import { AzureRestError, isAzureConflict, isAzureNotFound } from './azure-error.ts'
import { assignRole } from './role-assignments.ts'

const arm = 'https://management.azure.com'
const machine = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m'
const version = { apiVersion: '2024-07-01' }

function answer(status: number, body?: unknown, headers: HttpResponse['headers'] = {}): HttpResponse {
  return { status, headers, body: Buffer.from(body === undefined ? '' : JSON.stringify(body)) }
}

/** A client whose requests are answered in this order, on a clock that the test moves. */
function setUp(replies: (HttpResponse | Error)[], signal?: AbortSignal) {
  const clock = createManualClock()
  const sent: HttpRequest[] = []
  const cloud = findAzureCloud('')
  assert.ok(cloud !== undefined)
  const client = createAzureClient({
    cloud,
    tokens: { get: async (resource) => SecretValue.of(`token for ${resource}`) },
    send: async (request) => {
      sent.push(request)
      const reply = replies.shift()
      if (reply === undefined) throw new Error(`unexpected ${request.method} ${request.url}`)
      if (reply instanceof Error) throw reply
      return reply
    },
    clock,
    signal,
  })
  return { ...client, clock, sent, lines: () => sent.map(({ method, url }) => `${method} ${url}`) }
}

test('a call carries the token of its service, and the version', async () => {
  const { resourceManager, graph, sent, lines } = setUp([answer(200, { name: 'm' }), answer(200, { id: '1' })])
  assert.deepEqual(await resourceManager.get(machine, version), { name: 'm' })
  assert.deepEqual(await graph.get('/applications/1', { query: { $select: 'id' } }), { id: '1' })
  assert.deepEqual(lines(), [
    `GET ${arm}${machine}?api-version=2024-07-01`,
    'GET https://graph.microsoft.com/v1.0/applications/1?%24select=id',
  ])
  assert.deepEqual(
    sent.map(({ headers }) => headers?.authorization),
    ['Bearer token for https://management.azure.com', 'Bearer token for https://graph.microsoft.com'],
  )
})

test('a call without a signal has that of the client', async () => {
  const [ofClient, own] = [AbortSignal.timeout(60_000), AbortSignal.timeout(60_000)]
  const { resourceManager, sent } = setUp([answer(200), answer(200, { value: [] }), answer(200), answer(204)], ofClient)
  await resourceManager.get(machine, version)
  await resourceManager.list('/subscriptions', version)
  await resourceManager.put(machine, {}, { ...version, signal: own })
  await resourceManager.delete(machine, version)
  assert.deepEqual(
    sent.map(({ signal }) => signal === ofClient),
    [true, true, false, true],
  )
})

test('a list follows nextLink, of Resource Manager and of OData', async () => {
  const arms = setUp([
    answer(200, { value: [1], nextLink: `${arm}/next?api-version=x` }),
    answer(200, { value: [2, 3] }),
  ])
  assert.deepEqual(await arms.resourceManager.list('/subscriptions', version), [1, 2, 3])
  assert.deepEqual(arms.lines()[1], `GET ${arm}/next?api-version=x`)
  const graphs = setUp([
    answer(200, { value: ['a'], '@odata.nextLink': 'https://graph.microsoft.com/v1.0/applications?$skiptoken=2' }),
    answer(200, { value: ['b'] }),
  ])
  assert.deepEqual(await graphs.graph.list('/applications'), ['a', 'b'])
})

test('a link to another host is refused: the token stays with the service', async () => {
  for (const headers of [
    { 'azure-asyncoperation': 'https://evil.example/1' },
    { location: 'https://evil.example/1' },
  ]) {
    const { resourceManager, clock, sent } = setUp([answer(202, undefined, headers)])
    const rejected = assert.rejects(resourceManager.delete(machine, version), { code: 'UnexpectedLink' })
    await clock.advance(60_000)
    await rejected
    assert.equal(sent.length, 1)
  }
})

test('a PATCH that Azure goes on with is awaited, and answered with the resource', async () => {
  const operation = `${arm}/subscriptions/s/operations/1?api-version=x`
  const { resourceManager, clock, lines } = setUp([
    answer(202, {}, { 'azure-asyncoperation': operation, 'retry-after': '2' }),
    answer(200, { status: 'InProgress' }),
    answer(200, { status: 'Succeeded' }),
    answer(200, { name: 'm', tags: {} }),
  ])
  const patched = resourceManager.patch(machine, { tags: {} }, version)
  await clock.advance(10_000)
  assert.deepEqual(await patched, { name: 'm', tags: {} })
  assert.deepEqual(lines(), [
    `PATCH ${arm}${machine}?api-version=2024-07-01`,
    `GET ${operation}`,
    `GET ${operation}`,
    `GET ${arm}${machine}?api-version=2024-07-01`,
  ])
})

test('an operation with Location alone is done when it no longer answers 202', async () => {
  const location = `${arm}/subscriptions/s/results/1`
  const { resourceManager, clock } = setUp([
    answer(202, undefined, { location }),
    answer(202, undefined, { location }),
    answer(204),
  ])
  const deleted = resourceManager.delete(machine, version)
  await clock.advance(20_000)
  assert.equal(await deleted, false)
})

test('a failed operation is an error with its code and words', async () => {
  const error = { code: 'LinkedAuthorizationFailed', message: 'no right on identity x' }
  const { resourceManager, clock } = setUp([
    answer(202, undefined, { 'azure-asyncoperation': `${arm}/op` }),
    answer(200, { status: 'Failed', error }),
  ])
  const rejected = assert.rejects(resourceManager.patch(machine, {}, version), (thrown: unknown) => {
    assert.ok(thrown instanceof AzureRestError)
    assert.equal(thrown.code, error.code)
    assert.equal(thrown.text, error.message)
    assert.match(thrown.message, /^PATCH management\.azure\.com\/subscriptions/)
    return true
  })
  await clock.advance(10_000)
  await rejected
})

test('an operation without an end is given up', async () => {
  const endless = Array.from({ length: 400 }, () => answer(200, { status: 'Running' }))
  const { resourceManager, clock } = setUp([
    answer(202, undefined, { 'azure-asyncoperation': `${arm}/op` }),
    ...endless,
  ])
  const rejected = assert.rejects(resourceManager.patch(machine, {}, version), { code: 'OperationTimedOut' })
  await clock.advance(60 * 60_000)
  await rejected
})

test('azwi: graph helpers: error classification: 204 deleted, or gone already', async () => {
  const arms = setUp([answer(200), answer(204), answer(404, { error: { code: 'ResourceNotFound' } })])
  assert.equal(await arms.resourceManager.delete(machine, version), true)
  assert.equal(await arms.resourceManager.delete(machine, version), false)
  assert.equal(await arms.resourceManager.delete(machine, version), false)
  const graphs = setUp([answer(204), answer(404, { error: { code: 'Request_ResourceNotFound' } })])
  assert.equal(await graphs.graph.delete('/applications/1'), true)
  assert.equal(await graphs.graph.delete('/applications/1'), false)
})

test('azwi: graph helpers: error classification: Graph codes, 404 and 409', async () => {
  const { graph, resourceManager } = setUp([
    answer(404, { error: { code: 'Request_ResourceNotFound', message: 'no such thing' } }),
    answer(400, { error: { code: 'Request_MultipleObjectsWithSameKeyValue', message: 'same name' } }),
    answer(409, { error: { code: 'RoleAssignmentExists', message: 'exists' } }),
    answer(502, undefined),
    answer(502, undefined),
    answer(502, undefined),
    answer(502, undefined),
  ])
  assert.equal(await graph.find('/applications/1'), undefined)
  await assert.rejects(graph.post('/applications', {}), isAzureConflict)
  await assert.rejects(resourceManager.put('/x', {}, version), isAzureConflict)
  assert.equal(isAzureNotFound(new AzureRestError('GET x', { status: 404, code: '', text: '' })), true)
  assert.equal(isAzureNotFound(new Error('not found')), false)
})

test('throttled reads do not hold back writes; a POST is repeated only when it had no effect', async () => {
  const { resourceManager, clock, lines } = setUp([
    answer(429, undefined, { 'retry-after': '30' }),
    answer(200, {}),
    answer(200, { read: true }),
  ])
  const read = resourceManager.get('/read', version)
  await clock.advance(0)
  await resourceManager.put('/write', {}, version)
  await clock.advance(60_000)
  assert.deepEqual(await read, { read: true })
  assert.deepEqual(
    lines().map((line) => line.split('?')[0]),
    [`GET ${arm}/read`, `PUT ${arm}/write`, `GET ${arm}/read`],
  )

  const lost = setUp([new HttpFault('timeout', 'graph.microsoft.com', 'late')])
  await assert.rejects(lost.graph.post('/applications', {}), { code: 'timeout' })
  assert.equal(lost.sent.length, 1)
  const failed = setUp([answer(500, {})])
  await assert.rejects(failed.graph.post('/applications', {}), { status: 500 })
  const throttled = setUp([answer(429, undefined, { 'retry-after': '1' }), answer(201, { id: '1' })])
  const created = throttled.graph.post('/applications', {})
  await throttled.clock.advance(10_000)
  assert.deepEqual(await created, { id: '1' })
})

test('clouds are found by name and alias, and have their own services', () => {
  assert.equal(findAzureCloud('azurecloud')?.resourceManager, 'https://management.azure.com')
  assert.equal(findAzureCloud('AzureUSGovernment')?.graph, 'https://graph.microsoft.us')
  assert.equal(findAzureCloud('AzureChinaCloud')?.resourceManager, 'https://management.chinacloudapi.cn')
  assert.equal(findAzureCloud('nowhere'), undefined)
})

const assignment = {
  scope: '/subscriptions/s',
  roleDefinitionId: '/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/r',
  principalId: 'p',
}

test('azwi: phases Run: role assignment created, 409 is ok', async () => {
  const created = setUp([answer(200, { value: [] }), answer(201, {})])
  const first = await assignRole(created.resourceManager, assignment)
  assert.equal(first.created, true)
  assert.match(first.id, /^\/subscriptions\/s\/providers\/Microsoft\.Authorization\/roleAssignments\/[0-9a-f-]{36}$/)
  const conflict = answer(409, { error: { code: 'RoleAssignmentExists', message: 'exists' } })
  const again = await assignRole(setUp([answer(403, {}), conflict]).resourceManager, assignment)
  assert.deepEqual(again, { id: first.id, created: false })
})

test('a role that is given already under another name is found', async () => {
  const id = '/subscriptions/s/providers/Microsoft.Authorization/roleAssignments/other'
  const roleDefinitionId = '/providers/Microsoft.Authorization/roleDefinitions/R'
  const inherited = { id: 'above', properties: { ...assignment, scope: '/' } }
  const same = { id, properties: { ...assignment, roleDefinitionId } }
  const { resourceManager } = setUp([answer(200, { value: [inherited, same] })])
  assert.deepEqual(await assignRole(resourceManager, assignment), { id, created: false })
})
