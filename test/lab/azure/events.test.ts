import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startLocalAzure, type TestAzure } from '../../support/local-azure.ts'
import { createManualClock } from '../../support/manual-clock.ts'

interface Page {
  events: { eventType: string; subject: string; topic: string; data: Record<string, unknown> }[]
  next: string
  missed: boolean
}

const dayMs = 24 * 3600 * 1000

async function withVault(t: TestContext) {
  const clock = createManualClock()
  const azure = await startLocalAzure(t, { clock })
  const vault = await azure.createVault('shop')
  const put = async (path: string, body: unknown, method: 'PUT' | 'POST' = 'PUT') => {
    const answer = await azure.send({
      method,
      url: new URL(`https://shop.vault.azure.net/${path}?api-version=7.4`),
      headers: {
        authorization: `Bearer ${await azure.token('https://vault.azure.net')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
    })
    assert.ok(answer.status < 300, answer.body.toString('utf8'))
    return JSON.parse(answer.body.toString('utf8'))
  }
  return { azure, clock, vault, put }
}

function read(azure: TestAzure, query = ''): Promise<Page> {
  return azure.control('GET', `/events${query}`) as Promise<Page>
}

const typesOf = ({ events }: Page) =>
  events.map(({ eventType, subject }) => `${eventType.replace('Microsoft.KeyVault.', '')} ${subject}`)

/** The events behind a cursor, when all of the expected have come. */
async function until(azure: TestAzure, cursor: string, count: number): Promise<string[]> {
  const found: string[] = []
  for (let after = cursor; found.length < count; ) {
    const page = await read(azure, `?after=${after}&waitSeconds=20`)
    if (page.events.length === 0) break
    found.push(...typesOf(page))
    after = page.next
  }
  return found
}

test("a new version of an object is published in Event Grid's schema, once it is durable", async (t) => {
  const { azure, vault, put } = await withVault(t)
  const { next } = await read(azure)
  const waiting = read(azure, `?after=${next}&waitSeconds=20`)
  const { id } = await put('secrets/pw', { value: 'x' })
  const [event] = (await waiting).events
  assert.deepEqual([event?.eventType, event?.subject], ['Microsoft.KeyVault.SecretNewVersionCreated', 'pw'])
  assert.equal(event?.topic, vault.id)
  assert.deepEqual(event?.data, {
    Id: id,
    VaultName: 'shop',
    ObjectType: 'Secret',
    ObjectName: 'pw',
    Version: id.split('/').at(-1),
    NBF: null,
    EXP: null,
  })
})

test('a certificate is published with its key and its secret', async (t) => {
  const { azure, put } = await withVault(t)
  const { next } = await read(azure)
  await put(
    'certificates/web/create',
    { policy: { issuer: { name: 'Self' }, x509_props: { subject: 'CN=x' } } },
    'POST',
  )
  const all = ['CertificateNewVersionCreated web', 'KeyNewVersionCreated web', 'SecretNewVersionCreated web']
  assert.deepEqual((await until(azure, next, 3)).toSorted(), all)
})

test('an expiry is published once when it is near and once when it is reached', async (t) => {
  const { azure, clock, put } = await withVault(t)
  const now = Math.floor(clock.now() / 1000)
  await put('secrets/pw', { value: 'x', attributes: { exp: now + 31 * 24 * 3600 } })
  const { next } = await read(azure)
  await clock.advance(dayMs + 60_000)
  assert.deepEqual(await until(azure, next, 1), ['SecretNearExpiry pw'])
  await clock.advance(30 * dayMs)
  assert.deepEqual(await until(azure, next, 2), ['SecretNearExpiry pw', 'SecretExpired pw'])
})

test('a key is rotated by its policy, and the new version has its own expiry', async (t) => {
  const { azure, clock, put } = await withVault(t)
  await put('keys/signing/create', { kty: 'EC' }, 'POST')
  await put('keys/signing/rotationpolicy', {
    attributes: { expiryTime: 'P90D' },
    lifetimeActions: [{ trigger: { timeAfterCreate: 'P30D' }, action: { type: 'rotate' } }],
  })
  const { next } = await read(azure)
  await clock.advance(30 * dayMs + 60_000)
  assert.deepEqual(await until(azure, next, 1), ['KeyNewVersionCreated signing'])
  const url = new URL('https://shop.vault.azure.net/keys/signing?api-version=7.4')
  const headers = { authorization: `Bearer ${await azure.token('https://vault.azure.net')}` }
  const { attributes } = JSON.parse((await azure.send({ url, headers })).body.toString('utf8'))
  // Time went on while the key was made.
  assert.ok(Math.abs(attributes.exp - attributes.created - 90 * 24 * 3600) <= 60)
})

test('a self-signed certificate is renewed before it expires', async (t) => {
  const { azure, clock, put } = await withVault(t)
  const policy = {
    issuer: { name: 'Self' },
    x509_props: { subject: 'CN=x', validity_months: 2 },
    lifetime_actions: [{ trigger: { days_before_expiry: 10 }, action: { action_type: 'AutoRenew' } }],
  }
  await put('certificates/web/create', { policy }, 'POST')
  const { next } = await read(azure)
  await clock.advance(52 * dayMs)
  const published = await until(azure, next, 4)
  assert.deepEqual(
    published.filter((line) => line.startsWith('Certificate')),
    ['CertificateNearExpiry web', 'CertificateNewVersionCreated web'],
  )
})

test('changed access policies are published, and a cursor of another process is reported as missed', async (t) => {
  const { azure, vault } = await withVault(t)
  const { next } = await read(azure)
  const { tenantId } = azure.administrator
  const policy = { tenantId, objectId: tenantId, permissions: { secrets: ['get'] } }
  await azure.arm.put(`${vault.id}/accessPolicies/add`, { properties: { accessPolicies: [policy] } })
  assert.deepEqual(await until(azure, next, 1), ['VaultAccessPolicyChanged shop'])
  assert.equal((await read(azure, '?after=other.3')).missed, true)
  await assert.rejects(azure.control('GET', '/events?waitSeconds=long'), /400.*waitSeconds/)
})
