import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { status } from '@grpc/grpc-js'
import type { MountRequest, MountResponse } from '#kubernetes/provider-protocol'
import { sleep, systemClock } from '#lib'
import { failureOf, objectsOf } from '../../../support/provider.ts'
import { type ProviderLab, startProviderLab } from '../../../support/provider-lab.ts'

/**
 * One case of upstream's documented behaviour: an input, and the answer or the error. A row's class mounts the secret
 * `db` by workload identity, where the row does not override it.
 */
export interface Row {
  name: string
  /** Attributes of the request over those of the class; they may depend on ids that the vault gave. */
  parameters?: Record<string, string> | ((world: World) => Record<string, string>)
  /** Content of the `nodePublishSecretRef`. Default: there is none. */
  secrets?: Record<string, string> | ((world: World) => Record<string, string>)
  expect: Mounted | Refused
}

export interface Mounted {
  /** Every file with its content, in order. */
  files: Record<string, string | RegExp>
  modes?: Record<string, number>
  /** Ids of the object versions, in order. */
  ids?: readonly string[]
  /** Which of `rolling`'s versions are given, as places in {@link World.rolling}. */
  versions?: readonly number[]
}

export interface Refused {
  /** All of them are in the error. */
  words: readonly (string | RegExp)[]
  /** Default: INVALID_ARGUMENT, which means that nothing was asked for. */
  code?: status
}

/** What the vault of the rows holds, and who may read it. */
export interface World {
  clientID: string
  tenantID: string
  application: { clientid: string; clientsecret: string }
  /** Version ids of the secret `rolling`, newest first; the second is disabled, the third has expired. */
  rolling: readonly string[]
}

export const vaultName = 'shop-vault'
const otherVault = 'other-vault'
export const dbValue = 'value-of-db'
export const mounted: Mounted = { files: { db: dbValue } }

export function refused(...words: (string | RegExp)[]): Refused {
  return { words }
}

/** Starts the provider once and puts every row to it. */
export async function walk(t: TestContext, rows: readonly Row[]): Promise<void> {
  // Versions are ordered by their second of creation.
  let ahead = 0
  const lab = await startProviderLab(t, { clock: { ...systemClock, now: () => Date.now() + ahead } })
  const world = await fill(lab, (ms) => {
    ahead += ms
  })
  const { mount } = await lab.startProvider({ imdsEndpoint: lab.azure.imds, nmiEndpoint: 'http://127.0.0.1:9' })
  await Promise.all(
    rows.map((row) =>
      t.test(row.name, async () => {
        const call = mount(await requestOf(row, lab, world))
        if ('words' in row.expect) assertRefused(await failureOf(call), row.expect)
        else assertMounted(await call, row.expect, world)
      }),
    ),
  )
}

async function requestOf({ parameters, secrets }: Row, lab: ProviderLab, world: World): Promise<Partial<MountRequest>> {
  const { clientID, tenantID } = world
  const of = <T>(value: T | ((world: World) => T)): T =>
    typeof value === 'function' ? (value as (world: World) => T)(world) : value
  const objects = objectsOf({ objectName: 'db', objectType: 'secret' })
  const plain = { keyvaultName: vaultName, tenantID, clientID, objects }
  const request = await lab.request({ ...plain, ...(parameters === undefined ? {} : of(parameters)) })
  return { ...request, secrets: JSON.stringify(secrets === undefined ? null : of(secrets)) }
}

function assertMounted({ files, objectVersion }: MountResponse, expected: Mounted, world: World): void {
  const found = files.map(({ path, contents }) => [path, contents.toString('utf8')] as const)
  assert.deepEqual(
    found.map(([path]) => path),
    Object.keys(expected.files),
  )
  for (const [path, text] of found) {
    const wanted = expected.files[path]
    if (wanted instanceof RegExp) assert.match(text, wanted, path)
    else assert.equal(text, wanted, path)
  }
  for (const [path, mode] of Object.entries(expected.modes ?? {}))
    assert.equal(files.find((file) => file.path === path)?.mode, mode, path)
  if (expected.ids !== undefined) {
    assert.deepEqual(
      objectVersion.map(({ id }) => id),
      expected.ids,
    )
  }
  if (expected.versions !== undefined) {
    assert.deepEqual(
      objectVersion.map(({ version }) => version),
      expected.versions.map((place) => world.rolling[place]),
    )
  }
}

function assertRefused({ code, details }: { code: status; details: string }, expected: Refused): void {
  const { words, code: wanted = status.INVALID_ARGUMENT } = expected
  assert.equal(status[code], status[wanted], details)
  assert.ok(details.startsWith('failed to mount objects, error: '), details)
  for (const word of words) {
    if (typeof word === 'string') assert.ok(details.includes(word), `${word}\nis not in\n${details}`)
    else assert.match(details, word)
  }
}

async function fill(lab: ProviderLab, pass: (ms: number) => void): Promise<World> {
  const { azure } = lab
  const { clientId: clientID, principalId } = await lab.createReadableVault(vaultName)
  const { id } = await azure.createVault(otherVault)
  const subscription = `/subscriptions/${azure.administrator.subscriptionId}`
  await azure.assignRole('Key Vault Secrets User', principalId, id)
  for (const role of ['Key Vault Crypto User', 'Key Vault Certificate User'])
    await azure.assignRole(role, principalId, subscription)
  for (const [name, value] of Object.entries({ db: dbValue, b64: 'AP8K', hex: '00fF0a', json: '{"user":"sa"}' }))
    await azure.setSecret(vaultName, name, value)
  await azure.setSecret(otherVault, 'db', 'value-of-the-other-db')
  for (const [name, kind] of Object.entries({
    rsa: { kty: 'RSA' },
    p256: { kty: 'EC', crv: 'P-256' },
    p384: { kty: 'EC', crv: 'P-384' },
    p521: { kty: 'EC', crv: 'P-521' },
    p256k: { kty: 'EC', crv: 'P-256K' },
  })) {
    await lab.vault(vaultName, 'POST', `/keys/${name}/create`, kind)
  }
  await createCertificate(lab)
  const rolling: string[] = []
  const attributes = [{}, { exp: Math.floor(Date.now() / 1000) - 60 }, { enabled: false }, {}]
  for (const [index, given] of attributes.entries()) {
    const body = { value: `rolling ${index}`, attributes: given }
    const secret = (await lab.vault(vaultName, 'PUT', '/secrets/rolling', body)) as { id: string }
    rolling.unshift(secret.id.split('/').at(-1) ?? '')
    pass(1000)
  }
  const { clientId: clientid, clientSecret: clientsecret, tenantId: tenantID } = azure.administrator
  return { clientID, tenantID, application: { clientid, clientsecret }, rolling }
}

async function createCertificate(lab: ProviderLab): Promise<void> {
  const policy = {
    key_props: { exportable: true, kty: 'EC', crv: 'P-256' },
    secret_props: { contentType: 'application/x-pkcs12' },
    x509_props: { subject: 'CN=web' },
    issuer: { name: 'Self' },
  }
  await lab.vault(vaultName, 'POST', '/certificates/web/create', { policy })
  while ((await lab.vault(vaultName, 'GET', '/certificates/web/pending')).status !== 'completed') {
    await sleep(20)
  }
}
