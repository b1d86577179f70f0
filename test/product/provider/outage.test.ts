import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import fc from 'fast-check'
import type { MountResponse } from '#kubernetes/provider-protocol'
import { staleReasonTrailer, staleSinceTrailer } from '#kubernetes/provider-protocol'
import { sleep, timestamp } from '#lib'
import { isOutage } from '#product/error-catalogue'
import type { ProviderConfig } from '#product/provider'
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts'
import { readMetrics } from '../../support/metrics.ts'
import { failureOf, objectsOf } from '../../support/provider.ts'
import {
  appSubject,
  clusterOf,
  type ProviderLab,
  type RequestOptions,
  startProviderLab,
} from '../../support/provider-lab.ts'

const hour = 3_600_000
const vaultHost = 'shop-vault.vault.azure.net'
const entraHost = 'login.microsoftonline.com'
const db = objectsOf({ objectName: 'db', objectType: 'secret' })

interface Outage {
  lab: ProviderLab
  clock: ManualClock
  clientID: string
  /** Mounts a new pod's volume while time passes, and gives its first file and the age in the answer, with the reason of a fallback vault. */
  start(
    parameters?: Record<string, string>,
    options?: RequestOptions,
  ): Promise<{ content: string; since?: string; reason?: string }>
  /** The gRPC status and text of a mount that fails. */
  failed(parameters?: Record<string, string>, options?: RequestOptions): Promise<{ code: number; details: string }>
  rotate(parameters?: Record<string, string>): Promise<MountResponse>
  cut(host: string): Promise<unknown>
  restore(host: string): Promise<unknown>
  metrics(): ReturnType<typeof readMetrics>
}

/** A vault with the secret `db`, and a provider that has read it for a pod, unless `isRead` is false. */
async function startOutage(
  t: TestContext,
  { isRead = true, ...overrides }: Partial<ProviderConfig> & { isRead?: boolean } = {},
): Promise<Outage> {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'from memory')
  const clock = createManualClock(Date.now())
  // Without tokens held, an outage of Entra has its effect at once.
  const provider = await lab.startProvider({ clock, kube: clusterOf(lab.issuer), tokenHoldMs: 0, ...overrides })
  const exp = Math.floor(Date.now() / 1000) + 100 * 24 * 3600
  const request = (parameters: Record<string, string>, { claims, ...rest }: RequestOptions = {}) =>
    lab.request(
      { keyvaultName: 'shop-vault', clientID, objects: db, serveStaleFor: '24h', ...parameters },
      { claims: { exp, ...claims }, ...rest },
    )
  const outage: Outage = {
    lab,
    clock,
    clientID,
    async start(parameters = {}, options = {}) {
      let since: string | undefined
      let reason = ''
      const onTrailer = (trailer: { get(name: string): unknown[] }) => {
        since = trailer.get(staleSinceTrailer)[0]?.toString()
        if (since === undefined) return
        reason = decodeURIComponent(String(trailer.get(staleReasonTrailer)[0]))
        if (reason.startsWith('fallback ')) return
        assert.match(reason, /^vault [-a-z0-9]+ cannot answer \[(vault|entra)-[a-z-]+\]$/)
      }
      const call = provider.mount(await request(parameters, options), { onTrailer })
      const { files } = await whileTimePasses(clock, call)
      const content = files[0]?.contents.toString() ?? ''
      if (since === undefined) return { content }
      return reason.startsWith('fallback ') ? { content, since, reason } : { content, since }
    },
    async failed(parameters = {}, options = {}) {
      const { code, details } = await failureOf(
        whileTimePasses(clock, provider.mount(await request(parameters, options))),
      )
      return { code, details }
    },
    async rotate(parameters = {}) {
      const currentObjectVersion = [{ id: 'secret/db', version: 'x' }]
      return whileTimePasses(clock, provider.mount({ ...(await request(parameters)), currentObjectVersion }))
    },
    cut: (host) => lab.azure.control('PUT', `/faults/${host}`, { kind: 'unreachable' }),
    restore: (host) => lab.azure.control('DELETE', `/faults/${host}`),
    metrics: () => readMetrics(provider.running.metricsPort ?? 0),
  }
  if (isRead) {
    assert.deepEqual(await outage.start(), { content: 'from memory' })
    await clock.advance(11 * 60_000)
  }
  return outage
}

/** Moves the clock, by which retries wait, until a call has ended. */
async function whileTimePasses<T>(clock: ManualClock, call: Promise<T>): Promise<T> {
  let isOver = false
  const end = () => {
    isOver = true
  }
  call.then(end, end)
  while (!isOver) {
    await clock.advance(500)
    await sleep(2)
  }
  return call
}

for (const hosts of [[vaultHost], [entraHost], [vaultHost, entraHost]]) {
  test(`a new pod starts with what its identity has read before while ${hosts.join(' and ')} cannot be reached`, async (t) => {
    const outage = await startOutage(t)
    const readAt = timestamp(outage.clock.now() - 11 * 60_000)
    for (const host of hosts) await outage.cut(host)
    const { content, since } = await outage.start()
    assert.equal(content, 'from memory')
    assert.ok(Math.abs(Date.parse(since ?? '') - Date.parse(readAt)) <= 60_000, `${since} ${readAt}`)
    const { text } = await outage.metrics()
    assert.match(text, /keymount_provider_reads_total\{[^}]*outcome="stale"[^}]*\} 1\n/)
    assert.match(text, /keymount_provider_last_good_bytes\{[^}]*\} 1\d\d\d\n/)
    for (const host of hosts) await outage.restore(host)
    await outage.clock.advance(60_000)
    assert.deepEqual(await outage.start(), { content: 'from memory' }, 'fresh values have no age')
  })
}

const outages: [what: string, host: string, fault: object][] = [
  ['a vault that answers 503', vaultHost, { kind: 'error', status: 503 }],
  ['a vault that throttles for longer than a mount may wait', vaultHost, { kind: 'throttle', retryAfterSeconds: 3600 }],
  ['Entra that answers 503', entraHost, { kind: 'error', status: 503 }],
  ['Entra that throttles for longer than a mount may wait', entraHost, { kind: 'throttle', retryAfterSeconds: 3600 }],
]
for (const [what, host, fault] of outages) {
  test(`${what} counts as an outage`, async (t) => {
    const outage = await startOutage(t)
    await outage.lab.azure.control('PUT', `/faults/${host}`, fault)
    assert.equal((await outage.start()).content, 'from memory')
  })
}

test('while Entra cannot answer, a token that is still valid reads fresh values', async (t) => {
  const outage = await startOutage(t, { tokenHoldMs: undefined })
  await outage.lab.azure.setSecret('shop-vault', 'db', 'fresh')
  await outage.cut(entraHost)
  assert.deepEqual(await outage.start(), { content: 'fresh' })
  const { text } = await outage.metrics()
  assert.match(text, /^entra_token_requests_total\{[^}]*result="ok"[^}]*\} 1$/m)
  assert.match(text, /^entra_token_requests_total\{[^}]*result="unreachable"[^}]*\} 1$/m)
})

test('a token is used longer after Entra has asked for fewer sign-ins', async (t) => {
  const outage = await startOutage(t, { tokenHoldMs: undefined, isRead: false })
  const { lab, clock } = outage
  await lab.azure.control('PUT', `/faults/${entraHost}`, { kind: 'throttle', retryAfterSeconds: 1 })
  await outage.failed()
  await outage.restore(entraHost)
  const { text } = await outage.metrics()
  assert.match(text, /^entra_token_requests_total\{[^}]*result="throttled"[^}]*\} [2-9]$/m)
  await clock.advance(5000)
  await outage.start()
  await lab.takeCounts()
  await clock.advance(19 * 60_000)
  await outage.start()
  assert.deepEqual(await lab.takeCounts(), { 'vault.secret.get': 1 })
  await clock.advance(45 * 60_000)
  await outage.start()
  assert.deepEqual(await lab.takeCounts(), { 'entra.token': 1, 'vault.secret.get': 1 })
})

test('a refusal does not count as an outage, and drops the kept answers', async (t) => {
  for (const fault of [401, 403, 404]) {
    const outage = await startOutage(t)
    await outage.lab.azure.control('PUT', `/faults/${vaultHost}`, { kind: 'error', status: fault })
    assert.notEqual((await outage.failed()).code, status.OK)
    await outage.cut(vaultHost)
    assert.match((await outage.failed()).details, /this node holds no value of it/)
  }
  const outage = await startOutage(t)
  await outage.lab.azure.control('PUT', `/faults/${entraHost}`, { kind: 'error', status: 400 })
  assert.equal((await outage.failed()).code, status.UNAUTHENTICATED)
  await outage.cut(entraHost)
  assert.match((await outage.failed()).details, /^.*\[entra-unreachable\].*this node holds no value of it/)
})

test('a secret that was disabled is not served from memory when the vault is cut afterwards', async (t) => {
  const outage = await startOutage(t)
  const { value } = await outage.lab.vault('shop-vault', 'GET', '/secrets/db/versions')
  const [{ id }] = value as [{ id: string }]
  const admin = new URL(id)
  const { azure } = outage.lab
  const answer = await azure.send({
    method: 'PATCH',
    url: new URL(`${admin.origin}${admin.pathname}?api-version=7.4`),
    headers: {
      authorization: `Bearer ${await azure.token('https://vault.azure.net')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ attributes: { enabled: false } }),
  })
  assert.equal(answer.status, 200)
  assert.match((await outage.failed()).details, /vault-object-disabled/)
  await outage.cut(vaultHost)
  assert.equal((await outage.failed()).code, status.UNAVAILABLE)
})

test('a value is served for as long as the class allows, which the administrator limits, and never after its expiry', async (t) => {
  const outage = await startOutage(t, { maxStaleMs: 48 * hour })
  await outage.cut(vaultHost)
  await outage.clock.advance(23 * hour)
  assert.equal((await outage.start()).content, 'from memory')
  assert.match((await outage.failed({ serveStaleFor: '1h' })).details, /young enough for serveStaleFor/)
  assert.equal((await outage.failed({ serveStaleFor: '0s' })).code, status.UNAVAILABLE)
  assert.equal((await outage.failed({ serveStaleFor: '' })).code, status.UNAVAILABLE, 'the default is never')
  await outage.clock.advance(2 * hour)
  assert.equal((await outage.failed()).code, status.UNAVAILABLE)
  await outage.restore(vaultHost)
  await outage.clock.advance(60_000)
  await outage.start({ serveStaleFor: '1000h' })
  await outage.cut(vaultHost)
  await outage.clock.advance(47 * hour)
  assert.equal((await outage.start({ serveStaleFor: '1000h' })).content, 'from memory')
  await outage.clock.advance(2 * hour)
  assert.equal((await outage.failed({ serveStaleFor: '1000h' })).code, status.UNAVAILABLE)
})

test('a value whose expiry has passed is not served', async (t) => {
  const outage = await startOutage(t, { isRead: false })
  const exp = Math.floor(outage.clock.now() / 1000) + 3600
  await outage.lab.vault('shop-vault', 'PUT', '/secrets/db', { value: 'for an hour', attributes: { exp } })
  assert.equal((await outage.start()).content, 'for an hour')
  await outage.cut(vaultHost)
  await outage.clock.advance(30 * 60_000)
  assert.equal((await outage.start()).content, 'for an hour')
  await outage.clock.advance(31 * 60_000)
  assert.equal((await outage.failed()).code, status.UNAVAILABLE)
})

test('a volume that has content keeps it by itself, and its rotation fails', async (t) => {
  const outage = await startOutage(t)
  await outage.cut(vaultHost)
  assert.equal((await failureOf(outage.rotate())).code, status.UNAVAILABLE)
})

test('the default of the class is the flag', async (t) => {
  const outage = await startOutage(t, { staleMs: 2 * hour, isRead: false })
  await outage.start({ serveStaleFor: '' })
  await outage.cut(vaultHost)
  await outage.clock.advance(hour)
  assert.equal((await outage.start({ serveStaleFor: '' })).content, 'from memory')
  await outage.clock.advance(hour)
  assert.equal((await outage.failed({ serveStaleFor: '' })).code, status.UNAVAILABLE)
})

/** Creates the vault `shop-west`, which the identity of the pod may read. */
async function createWest({ lab: { azure }, clientID }: Outage): Promise<void> {
  const west = await azure.createVault('shop-west')
  const { value: identities } = (await azure.arm.get(
    `/subscriptions/${azure.administrator.subscriptionId}/providers/Microsoft.ManagedIdentity/userAssignedIdentities`,
  )) as { value: { properties: { clientId: string; principalId: string } }[] }
  const reader = identities.find(({ properties }) => properties.clientId === clientID)
  await azure.assignRole('Key Vault Secrets User', reader?.properties.principalId ?? '', west.id)
  await azure.setSecret('shop-west', 'db', 'from the west')
}

const withWest = { fallbackKeyvaultName: 'shop-west' }

test('values of the fallback vault have a time and a reason, until the vault answers again', async (t) => {
  const outage = await startOutage(t, { isRead: false })
  await createWest(outage)
  assert.deepEqual(await outage.start({ ...withWest, serveStaleFor: '' }), { content: 'from memory' })
  const quiet = await outage.metrics()
  assert.match(quiet.text, /keymount_provider_reads_total\{[^}]*outcome="fallback"[^}]*\} 0\n/, 'for rate()')
  await outage.cut(vaultHost)
  await outage.clock.advance(60_000)
  const before = outage.clock.now()
  const { content, since = '', reason = '' } = await outage.start({ ...withWest, serveStaleFor: '' })
  assert.equal(content, 'from the west')
  assert.ok(Date.parse(since) >= before - 1000 && Date.parse(since) <= outage.clock.now(), since)
  assert.match(
    reason,
    /^fallback vault "shop-west" answered for vault "shop-vault", which cannot answer \[vault-[a-z-]+\]$/,
  )
  const { text } = await outage.metrics()
  assert.match(text, /keymount_provider_reads_total\{[^}]*outcome="fallback"[^}]*\} 1\n/)
  await outage.restore(vaultHost)
  await outage.clock.advance(60_000)
  assert.deepEqual(await outage.start({ ...withWest, serveStaleFor: '' }), { content: 'from memory' })
})

test('a volume without an optional object that only the fallback vault lacks is read again soon, too', async (t) => {
  const outage = await startOutage(t, { isRead: false })
  const { lab } = outage
  await createWest(outage)
  await lab.azure.setSecret('shop-vault', 'extra', 'only here')
  await outage.cut(vaultHost)
  const objects = objectsOf(
    { objectName: 'db', objectType: 'secret', vault: 'shop-west' },
    { objectName: 'extra', objectType: 'secret', optional: 'true' },
  )
  const { content, reason } = await outage.start({ ...withWest, objects })
  assert.equal(content, 'from the west')
  assert.match(reason ?? '', /^fallback vault "shop-west" answered/)
})

test('the fallback vault is asked when the vault cannot answer, before memory, and not when the vault refuses', async (t) => {
  const outage = await startOutage(t)
  await createWest(outage)
  await outage.cut(vaultHost)
  assert.equal((await outage.start(withWest)).content, 'from the west')
  assert.equal((await failureOf(outage.rotate(withWest))).code, status.UNAVAILABLE)
  const own = objectsOf({ objectName: 'db', objectType: 'secret', vault: 'shop-vault' })
  assert.equal((await outage.start({ ...withWest, objects: own })).content, 'from memory')

  await outage.cut('shop-west.vault.azure.net')
  await outage.clock.advance(60_000)
  assert.equal((await outage.start(withWest)).content, 'from memory')
  const neither = await outage.failed({ ...withWest, serveStaleFor: '0s' })
  assert.match(neither.details, /vault "shop-vault".*fallback vault "shop-west" cannot answer either \[vault-/)

  await outage.lab.azure.control('PUT', '/faults/shop-west.vault.azure.net', { kind: 'error', status: 403 })
  const refused = await outage.failed(withWest)
  assert.equal(refused.code, status.PERMISSION_DENIED)
  assert.match(refused.details, /vault "shop-west".*asked because the vault of the class cannot answer \[vault-/)

  await outage.lab.azure.control('PUT', `/faults/${vaultHost}`, { kind: 'error', status: 403 })
  await outage.restore('shop-west.vault.azure.net')
  await outage.clock.advance(60_000)
  assert.equal((await outage.failed(withWest)).code, status.PERMISSION_DENIED)
})

test('a mount with one refused object has the code of the refusal, whatever else could not be read', async (t) => {
  const outage = await startOutage(t, { isRead: false })
  await outage.lab.createReadableVault('other-vault')
  await outage.cut(vaultHost)
  const objects = objectsOf(
    { objectName: 'db', objectType: 'secret' },
    { objectName: 'x', objectType: 'secret', vault: 'other-vault' },
  )
  const { details } = await outage.failed({ objects })
  const [, code = ''] = /\[([a-z-]+)\]/.exec(details) ?? []
  assert.equal(code, 'vault-forbidden')
  assert.equal(isOutage(code), false)
})

test('a token that the cluster’s keys do not verify gets nothing from memory', async (t) => {
  const outage = await startOutage(t)
  await outage.cut(vaultHost)
  outage.lab.issuer.rollKey({ publish: false })
  assert.notEqual((await outage.failed()).code, status.OK)
  const unverified = await startOutage(t, { kube: undefined })
  await unverified.cut(vaultHost)
  assert.equal((await unverified.failed()).code, status.UNAVAILABLE)
})

test('no identity gets from memory what another one has read', async (t) => {
  const outage = await startOutage(t, { isRead: false })
  const { lab, clientID } = outage
  await outage.start({}, { claims: { 'kubernetes.io': { serviceaccount: { uid: 'first' } } } })
  const other = await lab.azure.createIdentity('other')
  await outage.cut(vaultHost)
  await outage.cut(entraHost)
  await outage.clock.advance(11 * 60_000)

  const mine = {
    subject: appSubject,
    issuer: lab.issuer.url,
    clientID,
    uid: 'first',
    audience: 'api://AzureADTokenExchange',
  }
  const start = async (identity: typeof mine) => {
    const { subject, issuer: iss, clientID: client, uid, audience } = identity
    const claims = { iss, aud: [audience], 'kubernetes.io': { serviceaccount: { uid } } }
    return outage.start({ clientID: client }, { subject, claims }).catch(() => undefined)
  }
  assert.equal((await start(mine))?.content, 'from memory')
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        subject: fc.constantFrom(mine.subject, 'system:serviceaccount:default:other'),
        issuer: fc.constantFrom(mine.issuer, 'https://another-cluster.example'),
        clientID: fc.constantFrom(mine.clientID, other.clientId),
        uid: fc.constantFrom('first', 'created again', ''),
        audience: fc.constantFrom(mine.audience, 'api://another'),
      }),
      async (identity) => {
        const isSame = JSON.stringify(identity) === JSON.stringify(mine)
        assert.equal((await start(identity)) !== undefined, isSame, JSON.stringify(identity))
      },
    ),
    { numRuns: 25 },
  )
})

test('a select and a template of a new pod start with the list and the values from before an outage', async (t) => {
  const outage = await startOutage(t, { isRead: false })
  const objects = '- { select: { name: all, namePattern: d.* }, only: templates }'
  const templates =
    '- { fileName: f, template: \'{{ range $name, $value := selected "all" }}{{ $name }}={{ $value }}{{ end }}\' }'
  assert.deepEqual(await outage.start({ objects, templates }), { content: 'db=from memory' })
  await outage.clock.advance(11 * 60_000)
  await outage.cut(vaultHost)
  const { content, since } = await outage.start({ objects, templates })
  assert.equal(content, 'db=from memory')
  assert.notEqual(since, undefined)
})
