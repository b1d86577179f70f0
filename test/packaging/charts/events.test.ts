import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProgram } from '#lib/flags'
import { operatorProgram } from '#product/operator'
import { type Manifest, needsHelm, type Rule, template } from './helm.ts'

/** The operator's part `events` as the chart installs it. */

const only = { driver: { install: false }, provider: { install: false } }
const queue = 'https://account.queue.core.windows.net/keymount-prod'
const identity = { clientID: 'client', tenantID: 'tenant' }
const events = (values: object = {}, others: object = {}) =>
  template({ ...only, events: { enabled: true, queue, ...identity, ...values }, ...others })

interface Container {
  args: string[]
  env: { name: string; value?: string }[]
}

function containerOf(objects: Manifest[]): Container {
  const deployment = objects.find(({ kind }) => kind === 'Deployment')
  assert.ok(deployment !== undefined)
  const { template: pod } = deployment.spec as { template: { spec: { containers: Container[] } } }
  const [container] = pod.spec.containers
  assert.ok(container !== undefined)
  return container
}

test('the values become flags and an identity that the operator accepts', needsHelm, async () => {
  const watchVaults = [{ vault: 'shop', interval: '15s' }]
  const { args, env } = containerOf(
    await events({ watchVaults, namespaces: ['a', 'b'] }, { statusInterval: { enabled: true } }),
  )
  const environment = Object.fromEntries(env.map(({ name, value = 'x' }) => [name, value]))
  const invocation = parseProgram(operatorProgram, args.slice(1), environment)
  assert.ok(invocation.kind === 'run')
  const { config } = invocation
  assert.equal(config.events?.queue?.href, queue)
  assert.deepEqual(config.events?.vaults, [{ name: 'shop', intervalMs: 15_000 }])
  assert.deepEqual(config.events?.namespaces, ['a', 'b'])
  assert.equal(config.events?.quietIntervalMs, undefined)
  const tokenFile = '/var/run/secrets/azure/tokens/azure-identity-token'
  assert.deepEqual(config.events?.identity, { clientId: 'client', tenantId: 'tenant', tokenFile })
  assert.equal(config.statusIntervalOf, 'secrets-store.csi.k8s.io')
  assert.equal(config.restart, undefined)
})

test(
  'the sign-ins of a second become a flag, also 0, and 15 where values of an earlier chart are reused',
  needsHelm,
  async () => {
    const rateOf = async (values: object) => {
      const { args } = containerOf(await events(values))
      const environment = { AZURE_CLIENT_ID: 'c', AZURE_TENANT_ID: 't', AZURE_FEDERATED_TOKEN_FILE: 'f' }
      const invocation = parseProgram(operatorProgram, args.slice(1), environment)
      assert.ok(invocation.kind === 'run')
      return invocation.config.events?.signInsPerSecond
    }
    assert.equal(await rateOf({}), 15)
    assert.equal(await rateOf({ signInsPerSecond: 40 }), 40)
    assert.equal(await rateOf({ signInsPerSecond: 0 }), 0)
    assert.equal(await rateOf({ signInsPerSecond: null }), 15)
    for (const wrong of [-1, 1.5, '15']) await assert.rejects(events({ signInsPerSecond: wrong }), /signInsPerSecond/)
  },
)

test(
  'quiet polling: its values become flags, a right on the CSIDriver object, and one policy for what the operator writes there',
  needsHelm,
  async () => {
    const objects = await template(
      {
        ...only,
        driver: { install: false, name: 'other.csi.k8s.io' },
        events: { enabled: true, queue, ...identity, vaults: ['shop', 'Bank'], quietPollInterval: '24h' },
        statusInterval: { enabled: true },
      },
      { apiVersions: ['admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy'] },
    )
    const { args } = containerOf(objects)
    const environment = { AZURE_CLIENT_ID: 'c', AZURE_TENANT_ID: 't', AZURE_FEDERATED_TOKEN_FILE: 'f' }
    const invocation = parseProgram(operatorProgram, args.slice(1), environment)
    assert.ok(invocation.kind === 'run')
    const { events, driverName } = invocation.config
    assert.deepEqual(events?.queueVaults, ['shop', 'bank'])
    assert.equal(events?.quietIntervalMs, 24 * 3_600_000)
    assert.equal(driverName, 'other.csi.k8s.io')
    const right = objects.flatMap(({ rules = [] }) =>
      (rules as (Rule & { resourceNames?: string[] })[]).filter((rule) => rule.resources.includes('csidrivers')),
    )
    assert.deepEqual(
      right.map(({ resourceNames, verbs }) => [resourceNames, verbs]),
      [[['other.csi.k8s.io'], ['get', 'patch']]],
    )
    const policies = objects.filter(
      ({ kind, spec }) => kind === 'ValidatingAdmissionPolicy' && JSON.stringify(spec).includes('csidrivers'),
    )
    assert.equal(policies.length, 1)
    assert.match(
      JSON.stringify(policies),
      /only the annotations keymount.dev\/status-interval and keymount.dev\/events-confirmed of a CSIDriver/,
    )
    const without =
      events === undefined ? [] : await template({ ...only, events: { enabled: true, queue, ...identity } })
    assert.doesNotMatch(JSON.stringify(without), /csidrivers|quiet/)
  },
)

test('the operator has no right but those of the parts that are on', needsHelm, async () => {
  const rights = (objects: Manifest[]) =>
    objects
      .filter(({ kind }) => kind === 'ClusterRole')
      .flatMap(({ rules }) => rules as Rule[])
      .map(({ resources, verbs }) => `${resources.join(' ')}: ${verbs.join(' ')}`)
      .toSorted()
  const counts = 'secretproviderclasspodstatuses: list'
  assert.deepEqual(rights(await events()), [counts, 'secretproviderclasses: get list watch patch'].toSorted())
  const alone = await template({ ...only, statusInterval: { enabled: true } })
  assert.deepEqual(rights(alone), ['csidrivers: get patch', counts])
  assert.ok(!containerOf(alone).env.some(({ name }) => name.startsWith('AZURE_')), 'it signs in nowhere')
  const namespaced = await events({ namespaces: ['a', 'b'] })
  assert.deepEqual(rights(namespaced), [counts])
  const roles = namespaced.filter(({ kind, metadata }) => kind === 'Role' && metadata.name === 'keymount-events')
  assert.deepEqual(
    roles.map(({ metadata }) => metadata.namespace),
    ['a', 'b'],
  )
})

const topic = 'https://shop.westeurope-1.eventgrid.azure.net/topics/changes/eventsubscriptions/prod'

test('the subscription of a namespace is received from in place of a queue', needsHelm, async () => {
  const { args, env } = containerOf(await events({ queue: '', namespaceTopic: topic, vaults: ['shop'] }))
  const environment = Object.fromEntries(env.map(({ name, value = 'x' }) => [name, value]))
  const invocation = parseProgram(operatorProgram, args.slice(1), environment)
  assert.ok(invocation.kind === 'run')
  const { namespaceTopic, queue: none, queueVaults } = invocation.config.events ?? {}
  assert.deepEqual([namespaceTopic?.href, none, queueVaults], [topic, undefined, ['shop']])
  await assert.rejects(events({ namespaceTopic: topic }), /events.queue and events.namespaceTopic are both set/)
  await assert.rejects(events({ queue: '', namespaceTopic: `${topic}?a=b` }), /namespaceTopic/)
})

test('what is missing is named', needsHelm, async () => {
  await assert.rejects(events({ queue: '' }), /events.enabled needs events.queue, events.namespaceTopic or/)
  await assert.rejects(
    events({ quietPollInterval: '24h' }),
    /events.quietPollInterval needs events.enabled, and events.vaults/,
  )
  await assert.rejects(events({ clientID: '' }), /events.clientID: missing; expected the client id/)
  await assert.rejects(events({ tenantID: '' }), /events.tenantID: missing; expected the tenant/)
  await assert.rejects(events({ queue: 'http://account.queue.core.windows.net/q' }), /queue/)
})

test(
  'the operator reaches queue and vaults through the proxy of proxySettings, with the certificates to trust',
  needsHelm,
  async () => {
    const proxyCert = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
    const objects = await events({}, { proxySettings: { httpsProxy: 'http://proxy.example:3128', proxyCert } })
    const { env, envFrom, volumeMounts } = containerOf(objects) as Container & {
      envFrom: { configMapRef: { name: string } }[]
      volumeMounts: { name: string; mountPath: string }[]
    }
    const environment = objects.find(({ metadata }) => metadata.name === envFrom[0]?.configMapRef.name)
    assert.deepEqual(environment?.data, { HTTPS_PROXY: 'http://proxy.example:3128' })
    const file = env.find(({ name }) => name === 'NODE_EXTRA_CA_CERTS')?.value ?? ''
    const mount = volumeMounts.find(({ mountPath }) => file.startsWith(`${mountPath}/`))
    assert.equal(mount?.name, 'trust')
    const withoutEvents = containerOf(await template({ ...only, restart: { enabled: true } })) as { envFrom?: unknown }
    assert.equal(withoutEvents.envFrom, undefined, 'it asks the API server only')
  },
)
