import { createHash } from 'node:crypto'
import {
  type KubeClient,
  type KubeObject,
  type Resource,
  resources,
  statusAnnotations,
  versionHash,
} from '#kubernetes/client'
import { forEachLimited } from '#lib/async'
import { createDefinitions, secretSyncDefinition } from './custom-resources.ts'
import { secretsVolume } from './secrets-volume.ts'

/** Objects of a cluster with many volumes, as drivers, kubelets and controllers write them. No pod of it runs. */
interface Workload {
  namespace: string
  name: string
  kind: 'Deployment' | 'StatefulSet' | 'DaemonSet'
  pods: number
  class: string
  vault: string
  objects: readonly string[]
  /** What is special about its volumes. */
  state?: 'failing' | 'stale' | 'restart' | 'pinned' | 'waiting' | 'mixed'
  secrets?: readonly string[]
}

const workloads: readonly Workload[] = [
  {
    namespace: 'shop',
    name: 'web',
    kind: 'Deployment',
    pods: 6,
    class: 'web-tls',
    vault: 'shop-prod',
    objects: ['cert/www', 'secret/session-key'],
    secrets: ['www-tls'],
  },
  {
    namespace: 'shop',
    name: 'cart',
    kind: 'Deployment',
    pods: 4,
    class: 'database',
    vault: 'shop-prod',
    objects: ['secret/cart-db-user', 'secret/cart-db-password'],
  },
  {
    namespace: 'shop',
    name: 'checkout',
    kind: 'Deployment',
    pods: 5,
    class: 'psp',
    vault: 'shop-prod',
    objects: ['secret/psp-api-key', 'key/receipts'],
    state: 'mixed',
  },
  {
    namespace: 'shop',
    name: 'mailer',
    kind: 'Deployment',
    pods: 2,
    class: 'smtp',
    vault: 'shop-prod',
    objects: ['secret/smtp-password'],
    state: 'restart',
  },
  {
    namespace: 'payments',
    name: 'api',
    kind: 'Deployment',
    pods: 4,
    class: 'api',
    vault: 'payments-prod',
    objects: ['secret/hmac', 'cert/mtls', 'secret/db'],
  },
  {
    namespace: 'payments',
    name: 'ledger',
    kind: 'StatefulSet',
    pods: 3,
    class: 'ledger',
    vault: 'payments-prod',
    objects: ['secret/ledger-db', 'key/signing'],
    state: 'failing',
  },
  {
    namespace: 'payments',
    name: 'reports',
    kind: 'Deployment',
    pods: 2,
    class: 'reports',
    vault: 'payments-dr',
    objects: ['secret/warehouse'],
    state: 'stale',
  },
  {
    namespace: 'identity',
    name: 'login',
    kind: 'Deployment',
    pods: 5,
    class: 'oidc',
    vault: 'identity-prod',
    objects: ['secret/client-secret', 'key/jwks'],
    secrets: ['oidc'],
  },
  {
    namespace: 'identity',
    name: 'scim',
    kind: 'Deployment',
    pods: 1,
    class: 'scim',
    vault: 'identity-prdo',
    objects: ['secret/scim-token'],
    state: 'waiting',
  },
  {
    namespace: 'platform',
    name: 'ingress',
    kind: 'DaemonSet',
    pods: 6,
    class: 'wildcard',
    vault: 'edge-certs',
    objects: ['cert/wildcard'],
  },
  {
    namespace: 'platform',
    name: 'backup',
    kind: 'Deployment',
    pods: 1,
    class: 'backup',
    vault: 'platform-prod',
    objects: ['secret/storage-key'],
    state: 'pinned',
  },
  {
    namespace: 'search',
    name: 'indexer',
    kind: 'Deployment',
    pods: 3,
    class: 'indexer',
    vault: 'search-prod',
    objects: ['secret/elastic'],
  },
  {
    namespace: 'search',
    name: 'query',
    kind: 'Deployment',
    pods: 4,
    class: 'indexer',
    vault: 'search-prod',
    objects: ['secret/elastic'],
  },
]

const nodeNames = Array.from({ length: 6 }, (_, i) => `aks-user-31870654-vmss00000${i}`)
const client = '6f4b8f6c-52d1-4c7a-9d0e-2a6f1f3b7c10'
const tenant = '0b7f41a6-7d0d-4c1b-9a55-7f6a3c2f9b11'

const digits = (text: string, length = 32) => createHash('sha256').update(text).digest('hex').slice(0, length)
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')

export interface Fleet {
  volumes: number
}

/** Creates the fleet above; with `volumes`, as many more in namespaces `team-0` and so on. */
export async function createFleet(kube: KubeClient, { volumes = 0 }: { volumes?: number } = {}): Promise<Fleet> {
  await createDefinitions(kube)
  await kube.create(resources.customResourceDefinitions, secretSyncDefinition)
  const many = Array.from({ length: Math.ceil(volumes / 20) }, (_, i): Workload => {
    const objects = ['secret/db', 'secret/api-key', 'cert/tls']
    return {
      namespace: `team-${i % 100}`,
      name: `service-${i}`,
      kind: 'Deployment',
      pods: 20,
      class: `service-${i}`,
      vault: `team-${i % 100}-kv`,
      objects,
    }
  })
  const all = [...workloads, ...many]
  const namespaces = new Set(all.map(({ namespace }) => namespace))
  await createAll(
    kube,
    resources.namespaces,
    [...namespaces].map((name) => ({ ...base('v1', 'Namespace'), metadata: { name } })),
  )
  await createInstallation(kube)
  await createAll(kube, resources.secretProviderClasses, [
    ...new Map(all.map((one) => [`${one.namespace}/${one.class}`, classOf(one)])).values(),
  ])
  await createAll(kube, resources.deployments, all.filter(({ state }) => state === 'restart').map(deploymentOf))
  const pods = all.flatMap((one) => Array.from({ length: one.pods }, (_, i) => podOf(one, i)))
  await createAll(kube, resources.pods, pods)
  await createAll(
    kube,
    resources.secretProviderClassPodStatuses,
    all
      .filter(({ state }) => state !== 'waiting')
      .flatMap((one) => Array.from({ length: one.pods }, (_, i) => statusOf(one, i))),
  )
  const uids = new Map<string, string>()
  for (const one of workloads) {
    const name = podName(one, 0)
    uids.set(name, (await kube.get(resources.pods, { namespace: one.namespace, name })).metadata.uid ?? '')
  }
  await createAll(
    kube,
    resources.events,
    all.flatMap((one) => eventsOf(one, uids.get(podName(one, 0)) ?? '')),
  )
  await createSyncs(kube)
  return { volumes: pods.length }
}

function base(apiVersion: string, kind: string) {
  return { apiVersion, kind }
}

async function createAll<T extends KubeObject>(
  kube: KubeClient,
  resource: Resource<T>,
  objects: readonly object[],
): Promise<void> {
  await forEachLimited(objects, 32, async (object) => {
    await kube.create(resource, object as T)
  })
}

async function createInstallation(kube: KubeClient): Promise<void> {
  const tokenRequests = [{ audience: 'api://AzureADTokenExchange', expirationSeconds: 3600 }]
  const annotations = { 'meta.helm.sh/release-name': 'keymount', 'meta.helm.sh/release-namespace': 'kube-system' }
  await kube.create(resources.csiDrivers, {
    ...base('storage.k8s.io/v1', 'CSIDriver'),
    metadata: { name: 'secrets-store.csi.k8s.io', annotations },
    spec: {
      podInfoOnMount: true,
      requiresRepublish: true,
      attachRequired: false,
      volumeLifecycleModes: ['Ephemeral'],
      tokenRequests,
    },
  })
  const drivers = nodeNames.map((nodeID) => [{ name: 'secrets-store.csi.k8s.io', nodeID, topologyKeys: null }])
  await createAll(
    kube,
    resources.nodes,
    nodeNames.map((name) => ({
      ...base('v1', 'Node'),
      metadata: { name },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    })),
  )
  await createAll(
    kube,
    resources.csiNodes,
    nodeNames.map((name, i) => ({
      ...base('storage.k8s.io/v1', 'CSINode'),
      metadata: { name },
      spec: { drivers: drivers[i] },
    })),
  )
  const product = ['secrets-store-csi-driver', 'secrets-store-provider-azure'].flatMap((app) =>
    nodeNames.map((nodeName, i) => ({
      ...base('v1', 'Pod'),
      metadata: { namespace: 'kube-system', name: `${app}-${digits(`${app}${i}`, 5)}`, labels: { app } },
      spec: {
        nodeName,
        containers: [{ name: 'main', image: 'registry.example.com/keymount:0.2.0' }],
        volumes: [{ name: 'providers', hostPath: { path: '/var/run/secrets-store-csi-providers' } }],
      },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    })),
  )
  await createAll(kube, resources.pods, product)
  // The status of a new pod is the API server's own.
  await forEachLimited(product, 8, async ({ metadata: { namespace, name }, status }) => {
    await kube.patch(resources.pods, { namespace, name }, { status }, { subresource: 'status' })
  })
}

function classOf({ namespace, class: name, vault, objects, state, secrets = [] }: Workload) {
  const lines = objects.map((object) => {
    const [type, objectName] = object.split('/')
    const version = state === 'pinned' ? `    objectVersion: ${digits(object)}\n` : ''
    return `  - |\n    objectName: ${objectName}\n    objectType: ${type}\n${version}`
  })
  const secretObjects = secrets.map((secretName) => ({
    secretName,
    type: 'Opaque',
    data: objects.map((object) => ({ objectName: object.split('/')[1], key: object.split('/')[1] })),
  }))
  const parameters = { keyvaultName: vault, tenantID: tenant, clientID: client, objects: `array:\n${lines.join('')}` }
  return {
    ...base('secrets-store.csi.x-k8s.io/v1', 'SecretProviderClass'),
    metadata: { namespace, name },
    spec: { provider: 'azure', parameters, ...(secrets.length === 0 ? {} : { secretObjects }) },
  }
}

function deploymentOf({ namespace, name }: Workload) {
  const labels = { app: name }
  return {
    ...base('apps/v1', 'Deployment'),
    metadata: {
      namespace,
      name,
      annotations: { 'keymount.dev/restart-on-rotation': 'true', 'keymount.dev/restart-window': 'Sun 02:00-04:00' },
    },
    // Pods of the fleet run nowhere: the controller of the cluster makes none.
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'mailer' }] } },
    },
  }
}

function podName({ name, kind }: Workload, index: number): string {
  return kind === 'StatefulSet'
    ? `${name}-${index}`
    : kind === 'DaemonSet'
      ? `${name}-${digits(`${name}${index}`, 5)}`
      : `${name}-${digits(name, 9)}-${digits(`${name}${index}`, 5)}`
}

function nodeOf({ name }: Workload, index: number): string {
  return nodeNames[(index + name.length) % nodeNames.length] ?? ''
}

function podOf(workload: Workload, index: number) {
  const { namespace, name, kind, class: className, state } = workload
  const hash = digits(name, 9)
  const owner =
    kind === 'Deployment'
      ? { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${name}-${hash}` }
      : { apiVersion: 'apps/v1', kind, name }
  return {
    ...base('v1', 'Pod'),
    metadata: {
      namespace,
      name: podName(workload, index),
      labels: { app: name, ...(kind === 'Deployment' ? { 'pod-template-hash': hash } : {}) },
      ownerReferences: [{ ...owner, uid: digits(`owner ${name}`), controller: true }],
    },
    spec: {
      nodeName: nodeOf(workload, index),
      containers: [{ name: 'main', image: name }],
      volumes: [secretsVolume('secrets', className)],
    },
    status: { phase: state === 'waiting' ? 'Pending' : 'Running' },
  }
}

const forbidden =
  '[vault-forbidden] failed to get objectType:secret, objectName:ledger-db, objectVersion:: Caller is not authorized to perform action on resource (ForbiddenByRbac): the identity needs Key Vault Secrets User on payments-prod; HTTP status 403'

function statusOf(workload: Workload, index: number) {
  const { namespace, name, class: className, objects, state, secrets = [] } = workload
  const old = state === 'mixed' && index === 4
  const versions = objects.map((id) => ({ id, version: digits(`${namespace} ${id}${old ? ' old' : ''}`) }))
  const hash = versionHash(className, versions)
  const checked = (name.length * 7 + index * 13) % 110
  const failing = state === 'failing'
  const annotations: Record<string, string> = {
    [statusAnnotations.lastCheck]: ago(checked),
    [statusAnnotations.nextCheck]: ago(checked - 120),
    [statusAnnotations.lastChange]: ago(old ? 90_000 : 1500 + name.length * 4000),
    [statusAnnotations.startedWith]: state === 'restart' ? '0123456789abcdef' : hash,
    ...(secrets.length > 0
      ? { [statusAnnotations.secrets]: secrets.join(','), [statusAnnotations.mirroredFor]: hash }
      : {}),
    ...(failing
      ? {
          [statusAnnotations.lastFailure]: forbidden,
          [statusAnnotations.failingSince]: ago(2640),
          [statusAnnotations.failureCode]: 'PermissionDenied',
        }
      : {}),
    ...(state === 'stale' ? { [statusAnnotations.staleSince]: ago(5400) } : {}),
  }
  const pod = podName(workload, index)
  return {
    ...base('secrets-store.csi.x-k8s.io/v1', 'SecretProviderClassPodStatus'),
    metadata: {
      namespace,
      name: `${pod}-${namespace}-${className}`,
      labels: { 'internal.secrets-store.csi.k8s.io/node-name': nodeOf(workload, index) },
      annotations,
    },
    status: {
      podName: pod,
      secretProviderClassName: className,
      mounted: true,
      targetPath: '/var/lib/kubelet/pods/x',
      objects: versions,
    },
  }
}

function eventsOf(workload: Workload, uid: string): object[] {
  const { namespace, state, class: className, objects } = workload
  const name = podName(workload, 0)
  const event = (reason: string, message: string, seconds: number, more: object = {}) => ({
    ...base('v1', 'Event'),
    metadata: { namespace, name: `${name}.${digits(`${name}${reason}`, 16)}` },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
    reason,
    message,
    type: 'Normal',
    firstTimestamp: ago(seconds + 600),
    lastTimestamp: ago(seconds),
    count: 1,
    ...more,
  })
  if (state === 'failing') return [event('MountRotationFailed', forbidden, 35, { type: 'Warning', count: 22 })]
  if (state === 'stale')
    return [
      event(
        'MountedStale',
        `class ${className}: started with values of an earlier read, because the vault did not answer`,
        5400,
        { type: 'Warning' },
      ),
    ]
  if (state === 'waiting')
    return [
      event(
        'FailedMount',
        'MountVolume.SetUp failed for volume "secrets" : rpc error: code = Unavailable desc = failed to mount secrets store objects for pod identity/scim, err: [vault-name-not-resolved] vault identity-prdo.vault.azure.net does not exist: its name is not in DNS; correct keyvaultName of class scim',
        20,
        { type: 'Warning', count: 9 },
      ),
    ]
  if (workload.name.startsWith('service-') && !/[05]$/.test(workload.name)) return []
  return [
    event(
      'MountRotationComplete',
      `class ${className}: ${objects[0]} has a new version ${digits(`${namespace} ${objects[0]}`).slice(0, 8)}…`,
      1500 + workload.name.length * 400,
    ),
  ]
}

async function createSyncs(kube: KubeClient): Promise<void> {
  const sync = (namespace: string, name: string, className: string, ready: boolean, message = '') => ({
    object: {
      ...base('secret-sync.x-k8s.io/v1alpha1', 'SecretSync'),
      metadata: { namespace, name, ...(ready ? { annotations: { 'keymount.dev/restart': 'deployment/query' } } : {}) },
      spec: {
        secretProviderClassName: className,
        serviceAccountName: 'sync',
        secretObject: {
          type: 'Opaque',
          data: [
            { sourcePath: 'elastic', targetKey: 'password' },
            { sourcePath: 'elastic', targetKey: 'url' },
          ],
        },
      },
    },
    status: {
      lastSuccessfulSyncTime: ago(3000),
      conditions: [
        {
          type: 'Ready',
          status: ready ? 'True' : 'False',
          reason: ready ? 'SecretUpToDate' : 'ProviderError',
          message,
          lastTransitionTime: ago(3000),
        },
      ],
    },
  })
  for (const { object, status } of [
    sync('search', 'elastic', 'indexer', true),
    sync('payments', 'ledger-db', 'ledger', false, `fetching secrets from the provider failed: ${forbidden}`),
  ]) {
    const created = await kube.create(resources.secretSyncs, object as never)
    const { namespace = '', name = '' } = created.metadata
    await kube.patch(resources.secretSyncs, { namespace, name }, { status }, { subresource: 'status' })
  }
}
