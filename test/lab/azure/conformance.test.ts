/**
 * `npm run conformance -- --azure`, with a local Azure in the place of the real one: what it makes there, what it leaves alone,
 * and that nothing of it stays.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { HttpRequest } from '#lib/http'
import { differs, type Fact, tableOfDifferences } from '../../../scripts/conformance/facts.ts'
import { type Fence, guard } from '../../../scripts/conformance/guard.ts'
import { expiryTag, namesOfRun } from '../../../scripts/conformance/run-group.ts'
import { type Az, azMissing, findAz, startAz } from '../../support/az.ts'
import { eventually } from '../../support/eventually.ts'

const program = findAz()
const needsAz = program === undefined ? { skip: azMissing } : {}
const script = join(import.meta.dirname, '../../../scripts/conformance.ts')

/** Starts it, and collects what it prints. */
function start(env: Record<string, string>, ...words: string[]) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...words], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, ended, output: () => output }
}

async function groupsOf({ azure }: Az): Promise<string[]> {
  const { value } = await azure.arm.get(`/subscriptions/${azure.administrator.subscriptionId}/resourceGroups`)
  return value.map(({ name }: { name: string }) => name).toSorted()
}

async function deletedVaultsOf({ azure }: Az): Promise<unknown[]> {
  const path = `/subscriptions/${azure.administrator.subscriptionId}/providers/Microsoft.KeyVault/deletedVaults`
  return (await azure.arm.get(path)).value
}

/** A group with the marks of a run, as far as they are given. */
function addGroup({ azure }: Az, name: string, expires?: string): Promise<unknown> {
  const tags = expires === undefined ? {} : { [expiryTag]: expires }
  const path = `/subscriptions/${azure.administrator.subscriptionId}/resourceGroups/${name}`
  return azure.arm.put(path, { location: 'westeurope', tags })
}

const past = '2026-01-01T00:00:00Z'
const future = '2999-01-01T00:00:00Z'

test('the local Azure gives what Azure is known to give', async () => {
  const { ended, output } = start({ PATH: process.env.PATH ?? '' })
  assert.equal(await ended, 0, output())
  assert.match(output(), /^local Azure: (\d+) of \1 facts as expected$/m)
})

test('with the sign-in of az', needsAz, async (t) => {
  const az = await startAz(t, program ?? '')
  const { subscriptionId: selected } = az.azure.administrator
  const startAzure = (...words: string[]) => {
    const { REQUESTS_CA_BUNDLE: bundle = '' } = az.environment
    const PATH = `${dirname(program ?? '')}:${process.env.PATH}`
    return start({ ...az.environment, SSL_CERT_FILE: bundle, PATH }, '--azure', ...words)
  }

  await t.test('nothing is made unless the subscription that az has selected is named', async () => {
    const before = await groupsOf(az)
    const [unnamed, other] = [startAzure(), startAzure('--subscription', '00000000-0000-0000-0000-000000000000')]
    assert.deepEqual([await unnamed.ended, await other.ended], [2, 2])
    assert.match(unnamed.output(), /has to be confirmed, and none was named/)
    assert.ok(unnamed.output().includes(`npm run conformance -- --azure --subscription ${selected}`))
    assert.deepEqual(await groupsOf(az), before)
  })

  await t.test('both are compared, and of older groups only those of runs whose time is over are removed', async () => {
    await addGroup(az, 'keymount-conformance-old', past)
    await addGroup(az, 'keymount-conformance-running', future)
    await addGroup(az, 'keymount-conformance-untagged')
    await addGroup(az, 'keymount-conformance-unreadable', 'soon')
    await addGroup(az, 'production', past)
    const before = await groupsOf(az)
    const { ended, output } = startAzure('--subscription', selected)
    assert.equal(await ended, 0, output())
    assert.match(output(), /Removing keymount-conformance-old, which an earlier run has left/)
    assert.match(output(), /^Azure: (\d+) of \1 facts as expected$/m)
    const expected = before.filter((name) => name !== 'keymount-conformance-old')
    assert.equal(expected.length, before.length - 1)
    assert.deepEqual(await groupsOf(az), expected)
    assert.deepEqual(await deletedVaultsOf(az), [])
  })

  await t.test('Ctrl-C ends the cases, and what was made is removed all the same', async () => {
    const before = await groupsOf(az)
    const { child, ended, output } = startAzure('--subscription', selected)
    await eventually(() => assert.match(output(), /Working in resource group/))
    await az.azure.control('PUT', '/delay', { ms: 200 })
    await eventually(async () => assert.ok((await groupsOf(az)).length > before.length))
    child.kill('SIGINT')
    assert.equal(await ended, 130, output())
    assert.match(output(), /Interrupted\. Removing what this run has made/)
    await az.azure.control('PUT', '/delay', { ms: 0 })
    assert.deepEqual(await groupsOf(az), before)
    assert.deepEqual(await deletedVaultsOf(az), [])
  })
})

const subscriptionId = '11111111-2222-3333-4444-555555555555'
const subscription = `https://management.azure.com/subscriptions/${subscriptionId}`
const group = `${subscription}/resourceGroups/keymount-conformance-a`

test('nothing outside of its own group is sent', async () => {
  const sent: string[] = []
  const fence = (): Fence => ({
    subscriptionId,
    groups: new Set(['keymount-conformance-a']),
    vaults: new Set(['kmc-a']),
    requests: 100,
  })
  const send = guard(async ({ method = 'GET', url }) => {
    sent.push(`${method} ${url.href}`)
    return { status: 200, headers: {}, body: Buffer.alloc(0) }
  }, fence())
  const isSent = async (method: HttpRequest['method'], url: string) => {
    const before = sent.length
    await send({ method, url: new URL(url) }).catch((error: { code: string }) =>
      assert.equal(error.code, 'OutsideOfFence'),
    )
    return sent.length > before
  }
  const allowed: [HttpRequest['method'], string][] = [
    ['GET', `${subscription}/resourcegroups`],
    ['PUT', group],
    ['DELETE', group.toUpperCase().replace('HTTPS://MANAGEMENT.AZURE.COM', 'https://management.azure.com')],
    ['PUT', `${group}/providers/Microsoft.KeyVault/vaults/kmc-a`],
    ['PUT', `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a/federatedIdentityCredentials/b`],
    ['PUT', `${group}/providers/Microsoft.KeyVault/vaults/kmc-a/providers/Microsoft.Authorization/roleAssignments/b`],
    ['POST', `${subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/kmc-a/purge`],
    ['DELETE', 'https://kmc-a.vault.azure.net/secrets/x'],
  ]
  for (const [method, url] of allowed) assert.equal(await isSent(method, url), true, `${method} ${url}`)
  const refused: [HttpRequest['method'], string][] = [
    ['PUT', `${subscription}/resourceGroups/production`],
    ['DELETE', `${subscription}/resourceGroups/keymount-conformance-ab`],
    ['DELETE', subscription],
    ['GET', 'https://management.azure.com/subscriptions/99999999-2222-3333-4444-555555555555/resourceGroups'],
    ['PUT', `${subscription}/providers/Microsoft.Authorization/roleAssignments/b`],
    ['PUT', `${group}/providers/Microsoft.ContainerService/managedClusters/a`],
    ['PUT', `${group}/providers/Microsoft.KeyVault/managedHSMs/a`],
    ['PUT', `${group}/providers/Microsoft.KeyVault/vaults/kmc-a/privateEndpointConnections/a`],
    ['POST', `${subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/production/purge`],
    ['GET', 'https://production.vault.azure.net/secrets/x'],
    ['GET', 'http://kmc-a.vault.azure.net/secrets/x'],
    ['GET', 'https://kmc-a.vault.azure.net.example/secrets/x'],
    ['POST', 'https://graph.microsoft.com/v1.0/applications'],
  ]
  for (const [method, url] of refused) assert.equal(await isSent(method, url), false, `${method} ${url}`)
})

test('it sends a bounded number of requests', async () => {
  const fence: Fence = { subscriptionId, groups: new Set(), vaults: new Set(), requests: 2 }
  const send = guard(async () => ({ status: 200, headers: {}, body: Buffer.alloc(0) }), fence)
  const ask = () => send({ url: new URL(subscription) })
  await ask()
  await ask()
  await assert.rejects(ask(), { code: 'TooManyRequests' })
})

test('the names of a run are unique, and fit Azure', () => {
  const [first, second] = [namesOfRun(new Date(past)), namesOfRun(new Date(past))]
  assert.notDeepEqual(first, second)
  assert.match(first.group, /^keymount-conformance-2026-01-01-[0-9a-f]{12}$/)
  assert.match(first.vault, /^[a-z][a-z0-9-]{2,23}$/)
})

test('the table has what differs in either of the two', () => {
  const fact = (what: string, found: unknown): Fact => ({ case: 'secret', what, expected: [403, 'Forbidden'], found })
  const local = [fact('disabled', [403, 'Forbidden']), fact('missing', [403, 'Forbidden'])]
  const azure = [fact('disabled', [400, 'BadParameter']), fact('missing', [403, 'Forbidden'])]
  assert.deepEqual([...local, ...azure].filter(differs).length, 1)
  assert.equal(
    tableOfDifferences({ local, azure }),
    [
      'case    what      expected           local Azure        Azure',
      'secret  disabled  [403,"Forbidden"]  [403,"Forbidden"]  [400,"BadParameter"]',
    ].join('\n'),
  )
  assert.equal(tableOfDifferences({ local, azure: local }), '')
})
