import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { silentLog, systemClock } from '#lib'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { createServices } from './create-services.ts'
import { createEventFeed } from './events/event-feed.ts'
import { createDispatch } from './http/dispatch.ts'
import { imdsHost } from './imds/routes.ts'
import { cloud } from './proxy/clouds.ts'
import { type ServiceName, serviceOfHost } from './proxy/served-hosts.ts'
import { openRecordStore } from './records/record-store.ts'
import { createTraffic } from './traffic/traffic.ts'

/** All services without a socket, and tokens of the administrator, who may do everything in the vault `shop`. */
async function servicesInMemory(t: TestContext) {
  const directory = temporaryDirectory(t)
  const store = openRecordStore(join(directory, 'state.jsonl'))
  t.after(() => {
    store.close()
  })
  const around = { clock: systemClock, log: silentLog }
  const { tenant, services, imds, stop } = await createServices({
    store,
    issuerCaFiles: [],
    listenImds: () => Promise.reject(new Error('no sockets here')),
    feed: createEventFeed(),
    ...around,
  })
  t.after(stop)
  const traffic = createTraffic({ delayMs: 0, onUnreachable: () => {}, clock: systemClock })
  const send = createDispatch({
    ...around,
    traffic,
    serviceFor: (host) => (host === imdsHost ? imds : services[serviceOfHost(cloud, host) ?? 'arm']),
  })
  const token = async (resource: string) => {
    const form = {
      grant_type: 'client_credentials',
      client_id: tenant.administrator.clientId,
      client_secret: tenant.administrator.clientSecret,
      scope: `${resource}/.default`,
    }
    const url = `https://${cloud.login}/${tenant.tenantId}/oauth2/v2.0/token`
    const answer = await send(new Request(url, { method: 'POST', body: new URLSearchParams(form).toString() }))
    return ((await answer.json()) as { access_token: string }).access_token
  }
  const group = `/subscriptions/${tenant.subscriptionId}/resourceGroups/g`
  const armToken = await token(`https://${cloud.resourceManager}`)
  const put = (path: string, body: unknown, method = 'PUT') =>
    send(
      new Request(`https://${cloud.resourceManager}${path}?api-version=2024-01-01`, {
        method,
        body: JSON.stringify(body),
        headers: { authorization: `Bearer ${armToken}` },
      }),
    )
  await put(group, { location: 'westeurope' })
  const { tenantId, administrator } = tenant
  const permissions = { secrets: ['all', 'purge'], keys: ['all', 'purge'], certificates: ['all', 'purge'] }
  await put(`${group}/providers/Microsoft.KeyVault/vaults/shop`, {
    location: 'westeurope',
    properties: {
      tenantId,
      sku: { family: 'A', name: 'premium' },
      accessPolicies: [{ tenantId, objectId: administrator.objectId, permissions }],
    },
  })
  await put(`${group}/providers/Microsoft.Storage/storageAccounts/orders`, {
    location: 'westeurope',
    kind: 'StorageV2',
    sku: { name: 'Standard_LRS' },
  })
  await put(`/subscriptions/${tenant.subscriptionId}/providers/Microsoft.EventGrid/register`, {}, 'POST')
  await put(`${group}/providers/Microsoft.EventGrid/namespaces/orders`, { location: 'westeurope' })
  const [queueContributor, eventContributor] = [
    '974c5e8b-45b9-4653-ba55-5f855dd0fb88',
    '1d8c3fe3-8864-474b-8749-01e3783e8157',
  ]
  for (const role of [queueContributor, eventContributor]) {
    await put(`${group}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
      properties: {
        roleDefinitionId: `/subscriptions/${tenant.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`,
        principalId: administrator.objectId,
        principalType: 'ServicePrincipal',
      },
    })
  }
  return { tenant, services: { ...services, imds }, send, token, traffic }
}

const methods = fc.constantFrom('GET', 'PUT', 'POST', 'PATCH', 'DELETE')
const oddWords = fc.oneof(
  fc.string(),
  fc.constantFrom('', '%', '%zz', '%00', '..', 'constructor', '__proto__', 'x'.repeat(300), "'", '?', '#', 'é'),
)
const bodies = fc.oneof(
  fc.constant(undefined),
  fc.string(),
  fc.json(),
  fc
    .object({
      key: fc.constantFrom(
        'value',
        'properties',
        'attributes',
        'tags',
        'location',
        'identity',
        'type',
        'kty',
        'ids',
        'issuer',
        'accessPolicies',
        'policy',
        'contacts',
        'x5c',
        'provider',
        'lifetimeActions',
        'alg',
      ),
    })
    .map((body) => JSON.stringify(body)),
)

/** Parts of paths by parameter, mostly those that lead somewhere. */
const likely: Record<string, string[]> = {
  scope: [
    'SUBSCRIPTION',
    'SUBSCRIPTION/resourceGroups/g',
    'SUBSCRIPTION/resourceGroups/g/providers/Microsoft.KeyVault/vaults/shop',
  ],
  subscription: ['SUBSCRIPTION'],
  group: ['g', 'G', 'other'],
  tenant: ['common', 'organizations', 'keymount.onmicrosoft.com'],
  location: ['westeurope'],
  change: ['add', 'remove', 'replace'],
}

const likelyParts = (parameter: string): string[] =>
  likely[parameter] ?? ['x', 'y', 'X', '8e3af657-a8ff-443c-a75c-2fe8c4bcb635']

/** The path of an operation with its parameters filled in, so that it is certainly the one that answers. */
function plainPathOf(template: string): string {
  return template.replaceAll(/(?<=\/):(\w+)(?:\{[^}]*\})?/g, (_, parameter: string) => likelyParts(parameter)[0] ?? '')
}

/** The path of an operation with its parameters filled in, now and then with something odd. */
function pathOf(template: string) {
  const [path = '', query] = template.split(/\?(?=\w+=)/)
  const segments = path.split('/').map((segment) => {
    const [, parameter, word = ''] = /^:(\w+)(?:\{[^}]*\})?(:\w+)?/.exec(segment) ?? []
    if (parameter === undefined) return fc.oneof({ weight: 30, arbitrary: fc.constant(segment) }, oddWords)
    const name = fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...likelyParts(parameter)) }, oddWords)
    return name.map((text) => `${text}${word}`)
  })
  return fc.tuple(...segments).map((parts) => [parts.join('/'), ...(query === undefined ? [] : [query])].join('?'))
}

const hosts: Record<string, { service: ServiceName | 'imds'; resource?: string; version: string }> = {
  'login.microsoftonline.com': { service: 'entra', version: '1.1' },
  'management.azure.com': { service: 'arm', resource: 'https://management.azure.com', version: '2024-01-01' },
  'graph.microsoft.com': { service: 'graph', resource: 'https://graph.microsoft.com', version: '' },
  [imdsHost]: { service: 'imds', version: '2018-02-01' },
  'orders.queue.core.windows.net': { service: 'queue', resource: 'https://storage.azure.com', version: '' },
  'orders.westeurope-1.eventgrid.azure.net': {
    service: 'eventgrid',
    resource: 'https://eventgrid.azure.net',
    version: '2024-06-01',
  },
  'shop.vault.azure.net': { service: 'keyvault', resource: 'https://vault.azure.net', version: '7.4' },
}

const queries = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('api-version=VERSION', 'api%2Dversion=VERSION') },
  fc.constantFrom('', 'api-version=0'),
  fc.string().map((odd) => `api-version=VERSION&maxresults=${odd}&$filter=${encodeURIComponent(`name eq '${odd}'`)}`),
)

async function within<T>(ms: number, work: Promise<T>, url: URL): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`${url.href} was not answered`)), ms)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

for (const [host, { service, resource, version }] of Object.entries(hosts)) {
  test(`no request to ${host} is answered 500 or left waiting, whatever it is`, async (t) => {
    const { tenant, services, send, token, traffic } = await servicesInMemory(t)
    const authorization = resource === undefined ? 'none' : `Bearer ${await token(resource)}`
    const { operations } = services[service]
    const targets = fc
      .constantFrom(...operations)
      .chain((row) => fc.tuple(fc.oneof({ weight: 9, arbitrary: fc.constant(row.method) }, methods), pathOf(row.path)))
    const survives = async (method: string, path: string, query: string, body?: string) => {
      const target = `${path}${path.includes('?') ? '&' : '?'}${query}`
        .replaceAll('SUBSCRIPTION', tenant.subscriptionId)
        .replaceAll('VERSION', version)
      const url = URL.parse(`${host === imdsHost ? 'http' : 'https'}://${host}${target}`)
      if (url === null || url.hostname !== host) return
      const withBody = method === 'GET' || method === 'HEAD' || body === undefined ? {} : { body }
      const headers = { authorization, metadata: 'true', 'x-ms-version': '2025-01-05' }
      const answer = await within(10_000, send(new Request(url, { method, headers, ...withBody })), url)
      assert.ok(
        answer.status < 500 || answer.status === 501,
        `${method} ${url.href} answered ${answer.status}: ${await answer.text()}`,
      )
    }
    for (const { method, path } of operations) await survives(method, plainPathOf(path), 'api-version=VERSION', '{}')
    await fc.assert(
      fc.asyncProperty(targets, queries, bodies, ([method, path], query, body) => survives(method, path, query, body)),
      { numRuns: 1000 },
    )
    const missed = operations.filter(({ operation }) => traffic.counts()[operation] === undefined)
    assert.deepEqual(
      missed.map(({ operation }) => operation),
      [],
      'every operation was reached',
    )
  })
}
