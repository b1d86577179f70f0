import {
  classAnnotations,
  isNotFound,
  resources,
  type Secret,
  type SecretProviderClass,
  type SecretSync,
  type Transport,
} from '#kubernetes/client'
import type { Running } from '#lib'
import { inlineTasks } from '#lib/worker'
import { createSyncMetrics, startSync } from '#product/sync'
import { secretSyncDefinition } from '../support/custom-resources.ts'
import { type LeadingProgram, type LeadingReplica, startReplicas } from './leading-replicas.ts'
import { repeatWhileStormy } from './repeat.ts'
import { clusterScenario, type SimulatedCluster } from './scenario.ts'
import { contentOf, isMadeFrom, objectOfKey, valueOfKey } from './secret-content.ts'
import { classObject, createNamespace, serviceAccount } from './simulated-objects.ts'
import { createVaults, type SimulatedVaults, typedObjectNames } from './simulated-vaults.ts'
import { runStormThenCalm } from './storm.ts'
import type { World } from './world.ts'

const namespaces = ['blue', 'red']
const accountNames = ['orders', 'billing']
const classNames = ['app', 'web']
const syncNames = ['one', 'two', 'three']
const stormMs = 8 * 60_000
const intervalMs = 60_000
/** Long enough for an election, the longest back-off and a check. */
const calmMs = 9 * 60_000
/** Then nothing is left to write. */
const restMs = 3 * 60_000

const keysByType = {
  Opaque: ['password', 'token', 'certificate'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
} as const

/** What one SecretSync asked for since it exists: any of it may be in its Secret. */
interface History {
  /** `namespace/name`. */
  accounts: Set<string>
  /** Lists of keys. */
  keys: Set<string>
}

interface Cluster extends SimulatedCluster {
  vaults: SimulatedVaults
  replicas: LeadingReplica[]
  /** By uid. */
  histories: Map<string, History>
  /** Whether the world itself writes at this moment. */
  meddling: boolean
  /** What may cause writes, and writes of Secrets and SecretSyncs, in all. */
  causes: number
  writes: number
}

/**
 * Two replicas of the sync controller, SecretSyncs that come, go and change, vaults and classes that change, and everything
 * that can go wrong on the way. A Secret is always one complete answer to an account that its SecretSync named; nothing is
 * written that did not change; and in the end every Secret is there with the vault's values, also one that was deleted.
 */
export const secretSync = clusterScenario(
  'secret sync',
  async ({ world, server }) => {
    const accounts = namespaces.flatMap((namespace) => accountNames.map((name) => `${namespace}/${name}`))
    const cluster: Cluster = {
      world,
      server,
      vaults: createVaults(world, accounts, typedObjectNames),
      replicas: [],
      histories: new Map(),
      meddling: false,
      causes: 0,
      writes: 0,
    }
    await createObjects(cluster)
    watchObjects(cluster)
    cluster.replicas = startReplicas(cluster, 'sync', {
      restartMs: [200, 30_000],
      wrap: (transport) => oneWriteAtOnce(world, transport),
      work: (program) => startController(cluster, program),
    })
    repeatWhileStormy(world, [500, 15_000], () => step(cluster))
    await runStormThenCalm(world, { stormMs, calmMs })
    await checkSecrets(cluster)
    await checkRest(cluster)
  },
  { collectsOrphans: true },
)

async function createObjects({ server }: Cluster): Promise<void> {
  const { admin } = server
  await admin.create(resources.customResourceDefinitions, secretSyncDefinition)
  for (const namespace of namespaces) {
    await createNamespace(server, namespace)
    for (const name of accountNames) await admin.create(resources.serviceAccounts, serviceAccount(namespace, name))
    for (const name of classNames) await admin.create(resources.secretProviderClasses, classOf(namespace, name))
  }
}

function classOf(namespace: string, name: string): SecretProviderClass {
  const parameters = { objects: typedObjectNames.join(','), syncInterval: '60s' }
  return classObject({ namespace, name }, { provider: 'simulated', parameters })
}

function startController({ vaults }: Cluster, { name, kube, log, clock, process }: LeadingProgram): Running {
  const config = {
    providerDirectories: [],
    maxReceiveBytes: 0,
    audiences: ['api://AzureADTokenExchange'],
    intervalMs,
    namespaces: [],
    namespaceSelector: '',
    controllerName: 'secrets-store-sync-controller',
    syncClasses: false,
    workers: 3,
    pod: { name, uid: `uid-of-${name}` },
  }
  return startSync(config, {
    kube,
    log,
    clock,
    metrics: createSyncMetrics(),
    providers: vaults.providerForAccounts(process),
    tasks: inlineTasks(),
  })
}

/** One process never writes a Secret twice at once: an older content could come last. */
function oneWriteAtOnce(world: World, transport: Transport): Transport {
  const writing = new Set<string>()
  return {
    ...transport,
    async send(request) {
      const path = request.path.split('?', 1)[0] ?? ''
      if (request.method !== 'PATCH' || !path.includes('/secrets/')) return transport.send(request)
      if (writing.has(path)) world.violate(`${path} is written twice at once`)
      writing.add(path)
      try {
        return await transport.send(request)
      } finally {
        writing.delete(path)
      }
    },
  }
}

/** A change that is here twice happens twice as often. */
const changes: readonly ((cluster: Cluster, namespace: string) => unknown)[] = [
  changeVault,
  changeVault,
  createSync,
  createSync,
  createSync,
  editSync,
  deleteSync,
  replaceSync,
  editClass,
  replaceClass,
  replaceAccount,
  meddleWithSecret,
  meddleWithSecret,
]

async function step(cluster: Cluster): Promise<void> {
  const { world, replicas } = cluster
  const { random } = world
  const { process, network } = random.pick(replicas)
  const namespace = random.pick(namespaces)
  const steps: (() => unknown)[] = [
    ...changes.map((change) => () => change(cluster, namespace)),
    () => process.kill('killed'),
    () => process.pause(random.between(100, 20_000)),
    () => process.stepWallClock(random.between(-1, 1) * 24 * 3_600_000),
    () => network.partition(random.between(1000, 60_000)),
  ]
  cluster.causes++
  await random.pick(steps)()
}

function changeVault({ world, vaults }: Cluster, namespace: string): void {
  vaults.change(`${namespace}/${world.random.pick(accountNames)}`)
}

async function createSync(cluster: Cluster, namespace: string, named?: string): Promise<void> {
  const { world, server, histories } = cluster
  const { random } = world
  const name = named ?? random.pick(syncNames)
  if (server.store.get('secretsyncs.secret-sync.x-k8s.io', namespace, name) !== undefined) return
  const type = random.pick(Object.keys(keysByType) as (keyof typeof keysByType)[])
  const account = random.pick(accountNames)
  const data = dataOf(keysByType[type].filter((key) => type !== 'Opaque' || key === 'password' || random.chance(0.5)))
  const created = await server.admin.create(resources.secretSyncs, {
    apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
    kind: 'SecretSync',
    metadata: { name, namespace },
    spec: {
      secretProviderClassName: random.pick(classNames),
      serviceAccountName: account,
      secretObject: { type, data },
    },
  })
  world.note(`SecretSync ${namespace}/${name} (${type}) is created for ${account}`)
  histories.set(created.metadata.uid ?? '', { accounts: new Set(), keys: new Set() })
  remember(cluster, created)
}

function dataOf(keys: readonly string[]): SecretSync['spec']['secretObject']['data'] {
  return keys.map((targetKey) => ({ sourcePath: objectOfKey(targetKey), targetKey }))
}

function remember({ histories }: Cluster, { metadata, spec }: SecretSync): void {
  const history = histories.get(metadata.uid ?? '')
  history?.accounts.add(`${metadata.namespace}/${spec.serviceAccountName}`)
  history?.keys.add(keysOf(spec.secretObject.data.map(({ targetKey }) => targetKey)))
}

function keysOf(keys: readonly string[]): string {
  return keys.toSorted().join()
}

async function editSync(cluster: Cluster, namespace: string): Promise<void> {
  const { world, server } = cluster
  const { random } = world
  const sync = await pick(cluster, namespace)
  if (sync === undefined) return
  const { name = '' } = sync.metadata
  const isOpaque = sync.spec.secretObject.type === 'Opaque'
  const keys = isOpaque ? keysByType.Opaque.filter((key) => key === 'token' || random.chance(0.5)) : undefined
  const spec = {
    serviceAccountName: random.pick(accountNames),
    secretProviderClassName: random.pick(classNames),
    ...(random.chance(0.3) ? { forceSynchronization: `at-${Math.round(world.time.now)}` } : {}),
    ...(keys === undefined ? {} : { secretObject: { data: dataOf(keys) } }),
  }
  world.note(`SecretSync ${namespace}/${name} is edited: ${spec.serviceAccountName}, ${keys?.join()}`)
  remember(cluster, await server.admin.patch(resources.secretSyncs, { name, namespace }, { spec }))
}

async function deleteSync(cluster: Cluster, namespace: string): Promise<string | undefined> {
  const sync = await pick(cluster, namespace)
  const name = sync?.metadata.name
  if (name === undefined) return undefined
  cluster.world.note(`SecretSync ${namespace}/${name} is deleted`)
  await cluster.server.admin.delete(resources.secretSyncs, { name, namespace })
  return name
}

async function replaceSync(cluster: Cluster, namespace: string): Promise<void> {
  const name = await deleteSync(cluster, namespace)
  if (name !== undefined) await createSync(cluster, namespace, name)
}

async function pick({ world, server }: Cluster, namespace: string): Promise<SecretSync | undefined> {
  const { items } = await server.admin.list(resources.secretSyncs, { namespace })
  return items.length === 0 ? undefined : world.random.pick(items)
}

async function editClass({ world, server: { admin } }: Cluster, namespace: string): Promise<void> {
  const { random } = world
  const name = random.pick(classNames)
  world.note(`class ${namespace}/${name} is edited`)
  const ref = { name, namespace }
  const key = random.chance(0.5) ? classAnnotations.rotate : classAnnotations.changed
  const change = random.chance(0.5)
    ? { metadata: { annotations: { [key]: String(world.time.now) } } }
    : { spec: { parameters: { edited: String(world.time.now) } } }
  await admin.patch(resources.secretProviderClasses, ref, change).catch(ignoreMissing)
}

/** Away for a while. */
async function replaceClass({ world, server: { admin } }: Cluster, namespace: string): Promise<void> {
  const name = world.random.pick(classNames)
  world.note(`class ${namespace}/${name} is deleted for a while`)
  await admin.delete(resources.secretProviderClasses, { name, namespace }).catch(ignoreMissing)
  world.time.after(world.random.between(10, 60_000), () => {
    world.note(`class ${namespace}/${name} is there again`)
    void admin.create(resources.secretProviderClasses, classOf(namespace, name)).catch(() => undefined)
  })
}

async function replaceAccount({ world, server: { admin } }: Cluster, namespace: string): Promise<void> {
  const name = world.random.pick(accountNames)
  world.note(`account ${namespace}/${name} is deleted for a while`)
  await admin.delete(resources.serviceAccounts, { name, namespace }).catch(ignoreMissing)
  world.time.after(world.random.between(10, 60_000), () => {
    void admin.create(resources.serviceAccounts, serviceAccount(namespace, name)).catch(() => undefined)
  })
}

function ignoreMissing(error: unknown): void {
  if (!isNotFound(error)) throw error
}

/** An administrator deletes a Secret, takes a key out of it, or labels it. */
async function meddleWithSecret(cluster: Cluster, namespace: string): Promise<void> {
  const { world, server } = cluster
  const { random } = world
  const ref = { name: random.pick(syncNames), namespace }
  world.note(`an administrator changes Secret ${namespace}/${ref.name}`)
  const change = random.pick([
    undefined,
    { data: { token: null, 'tls.key': null } },
    { metadata: { labels: { by: 'an-administrator' } } },
  ])
  cluster.meddling = true
  try {
    if (change === undefined) await server.admin.delete(resources.secrets, ref)
    else await server.admin.patch(resources.secrets, ref, change)
  } catch {
    // It is not there, or its type needs the key.
  } finally {
    cluster.meddling = false
  }
}

/** Every version of a Secret is one complete answer to an account that its SecretSync named. */
function watchObjects(cluster: Cluster): void {
  const { server } = cluster
  server.store.follow(server.store.revision, ({ resource, type, object }) => {
    const isReport = resource === 'secretsyncs.secret-sync.x-k8s.io' || resource === 'events'
    if (isReport && JSON.stringify(object).includes('planted:'))
      cluster.world.violate(`${resource} ${object.metadata.name} has a value of a vault`)
    if (resource === 'secretsyncs.secret-sync.x-k8s.io') cluster.writes++
    if (resource !== 'secrets' || type === 'DELETED') return
    cluster.writes++
    if (!cluster.meddling) checkSecret(cluster, object as unknown as Secret)
  })
}

function checkSecret({ world, vaults, histories }: Cluster, secret: Secret): void {
  const { namespace = '', name, ownerReferences = [] } = secret.metadata
  const content = contentOf(secret)
  const describe = `Secret ${namespace}/${name} with ${shown(content)}`
  const history = histories.get(ownerReferences[0]?.uid ?? '')
  if (ownerReferences.length !== 1 || history === undefined) {
    world.violate(`${describe} has the owners ${JSON.stringify(ownerReferences)}`)
    return
  }
  const answers = [...history.accounts].flatMap((account) => vaults.answersTo(account))
  if (!answers.some((answer) => isMadeFrom(content, answer)))
    world.violate(`${describe} is not one answer to ${[...history.accounts].join(' or ')}`)
  if (!history.keys.has(keysOf(Object.keys(content))))
    world.violate(`${describe} is not one of ${[...history.keys].join(' or ')}`)
}

async function checkSecrets({ world, server: { admin }, vaults }: Cluster): Promise<void> {
  for (const namespace of namespaces) {
    const syncs = (await admin.list(resources.secretSyncs, { namespace })).items
    const secrets = new Map(
      (await admin.list(resources.secrets, { namespace })).items.map((secret) => [secret.metadata.name, secret]),
    )
    for (const { metadata, spec, status } of syncs) {
      const what = `SecretSync ${namespace}/${metadata.name}`
      const secret = secrets.get(metadata.name)
      secrets.delete(metadata.name)
      const answer = vaults.contentOf(`${namespace}/${spec.serviceAccountName}`, typedObjectNames)
      const wanted = spec.secretObject.data.map(({ targetKey }) => [targetKey, valueOfKey(targetKey, answer)])
      const found = secret === undefined ? {} : contentOf(secret)
      if (JSON.stringify(sorted(Object.entries(found))) !== JSON.stringify(sorted(wanted)))
        world.violate(`${what} has ${shown(found)} instead of ${shown(wanted)}`)
      if (secret?.metadata.ownerReferences?.[0]?.uid !== metadata.uid) world.violate(`${what} does not own its Secret`)
      if (secret?.type !== spec.secretObject.type) world.violate(`the Secret of ${what} is a ${secret?.type}`)
      const ready = status?.conditions?.find(({ type }) => type === 'Ready')
      if (ready?.status !== 'True' || ready.observedGeneration !== metadata.generation)
        world.violate(`${what} is not Ready: ${JSON.stringify(status)}`)
    }
    for (const name of secrets.keys()) world.violate(`Secret ${namespace}/${name} has outlived its SecretSync`)
  }
}

/** Short enough to read. */
function shown(content: unknown): string {
  return JSON.stringify(content).replaceAll(
    /-----BEGIN.*?-----END [A-Z ]+-----/g,
    (pem) => `PEM ${pem.slice(-60, -40)}`,
  )
}

function sorted(entries: readonly unknown[]): readonly unknown[] {
  return entries.map((entry) => JSON.stringify(entry)).toSorted()
}

/** With nothing to do, nothing is written; and a Secret that is deleted then is back within one interval. */
async function checkRest(cluster: Cluster): Promise<void> {
  const { world, server } = cluster
  const writes = cluster.writes
  // A create writes four times; a cause concerns up to six SecretSyncs, and failures in between are written too.
  const allowed = 60 + 24 * cluster.causes
  if (writes > allowed) world.violate(`${writes} writes for ${cluster.causes} causes`)
  await world.time.runUntil(world.time.now + restMs, world.check)
  if (cluster.writes > writes) world.violate(`${cluster.writes - writes} writes at rest`)
  const secrets = (await server.admin.list(resources.secrets)).items.filter(({ metadata }) =>
    namespaces.includes(metadata.namespace ?? ''),
  )
  for (const { metadata } of secrets)
    await server.admin.delete(resources.secrets, { name: metadata.name ?? '', namespace: metadata.namespace ?? '' })
  await world.time.runUntil(world.time.now + intervalMs + 5000, world.check)
  await checkSecrets(cluster)
}
