import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Container, DaemonSet, KubeObject, PodSpec, UntypedObject, Volume } from '#kubernetes/client'
import { flagOf, withFlags } from './container-flags.ts'

export interface ProductSettings {
  /** Image of both daemons. Default: the one that the manifests name. */
  image?: string | undefined
  /** Root directory of the nodes' kubelet. */
  kubeletRoot: string
  /** Whether mounted values are looked up again. Default: as the manifests say. */
  rotation?: boolean | undefined
  /** Go duration. Default: the product's. */
  rotationPollInterval?: string | undefined
  /** Where the pods reach an Azure that is not the public one. */
  azure?: { proxy: string; imds: string; caPem: string; noProxy: readonly string[] } | undefined
  /** `off`: the provider signs in and reads anew for every mount. Default: the product's. */
  caching?: 'on' | 'off' | undefined
  /** Set where all pods share the machine's network and file system with other programs: the embedded cluster. */
  shared?: SharedMachine | undefined
}

export interface SharedMachine {
  /** Directory on the machine for the sockets of providers. */
  providersDirectory: string
  ports: DaemonPorts
}

export interface DaemonPorts {
  driverMetrics: number
  driverHealth: number
  providerMetrics: number
  providerHealth: number
  webhook: number
  webhookHealth: number
}

const namespace = 'kube-system'
const labels = { 'app.kubernetes.io/name': 'keymount' }
const trustDirectory = '/etc/keymount/trust'
const defaultKubeletRoot = '/var/lib/kubelet'

/** Directories of the machine that the manifests name, beside kubelet's. */
const providerDirectories: Record<string, string> = {
  '/var/run/secrets-store-csi-providers': '',
  '/etc/kubernetes/secrets-store-csi-providers': 'additional',
}

const containers = { driver: 'secrets-store', provider: 'provider-azure-installer' } as const

/**
 * Flags of a provider that caches nothing: a changed federated credential or value shows at once, and not when a token of
 * ten minutes or a read of five seconds is over.
 */
const withoutCaching = { 'token-cache-ttl': '0s', 'read-share': '0s' } as const

/** Flags with an address, per container, and the setting that each follows. */
const addressFlags: Record<string, Record<string, keyof DaemonPorts>> = {
  [containers.driver]: { 'metrics-addr': 'driverMetrics', 'health-addr': 'driverHealth' },
  [containers.provider]: { 'metrics-addr': 'providerMetrics', 'health-addr': 'providerHealth' },
}

/** Flags of the manifests that say the same with a port on every interface. */
const portFlags = new Set(['prometheus-port', 'healthz-port'])

/** What the package's `deploy/` holds, each for one `kubectl apply -f`. */
const manifestFiles = { product: 'keymount.yaml', secretSync: 'optional/secret-sync.yaml' } as const

/** The objects of the product, and those that let it keep Kubernetes Secrets if `secretSync` is true. */
export function readManifests(packageRoot: string, { secretSync }: { secretSync: boolean }): UntypedObject[] {
  const { product, ...optional } = manifestFiles
  const directory = join(packageRoot, 'deploy')
  return [product, ...(secretSync ? [optional.secretSync] : [])]
    .flatMap((name) => parseAllDocuments(readFileSync(join(directory, name), 'utf8')))
    .map((document) => document.toJS() as UntypedObject | null)
    .filter((object) => object !== null)
}

/** The manifests as one cluster needs them: where they differ is only what is a place or an address. */
export function productObjects(manifests: readonly UntypedObject[], settings: ProductSettings): UntypedObject[] {
  const configuration = settings.azure === undefined ? [] : azureConfiguration(settings.azure)
  const digest = createHash('sha256').update(JSON.stringify(configuration)).digest('hex').slice(0, 16)
  const objects = manifests.map((object) =>
    object.kind === 'DaemonSet'
      ? (daemonSet(object as KubeObject as DaemonSet, settings, digest) as KubeObject as UntypedObject)
      : object,
  )
  return [...configuration, ...objects]
}

/** What sends the provider to the lab's Azure. The manifests read both where they exist. */
function azureConfiguration({ proxy, imds, caPem, noProxy }: NonNullable<ProductSettings['azure']>): UntypedObject[] {
  const configMap = (name: string, data: Record<string, string>): UntypedObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels },
    data,
  })
  return [
    configMap('keymount-provider-env', {
      HTTPS_PROXY: proxy,
      NO_PROXY: noProxy.join(','),
      NODE_EXTRA_CA_CERTS: `${trustDirectory}/ca.crt`,
      AZURE_POD_IDENTITY_AUTHORITY_HOST: imds,
    }),
    configMap('keymount-trust', { 'ca.crt': caPem }),
  ]
}

function daemonSet(object: DaemonSet, settings: ProductSettings, configurationDigest: string): DaemonSet {
  const moved = mapStrings(object, (text) => text.replaceAll(defaultKubeletRoot, settings.kubeletRoot))
  const { template } = moved.spec
  const annotations = {
    ...template.metadata?.annotations,
    // Environment from a ConfigMap is read when a container starts: new values are a new template.
    'keymount.dev/configuration': configurationDigest,
  }
  return {
    ...moved,
    spec: {
      ...moved.spec,
      template: { metadata: { ...template.metadata, annotations }, spec: podSpec(template.spec, settings) },
    },
  }
}

function podSpec(spec: PodSpec, settings: ProductSettings): PodSpec {
  const { shared } = settings
  return {
    ...spec,
    containers: spec.containers.map((container) => daemonContainer(container, settings)),
    ...(shared === undefined
      ? {}
      : { volumes: (spec.volumes ?? []).map((volume) => moveProviders(volume, shared.providersDirectory)) }),
  }
}

function daemonContainer(container: Container, settings: ProductSettings): Container {
  const { image, rotation, rotationPollInterval, azure, caching, shared } = settings
  const flags = new Map<string, string>()
  if (container.name === containers.driver && rotation !== undefined) {
    flags.set('enable-secret-rotation', String(rotation))
  }
  if (container.name === containers.driver && rotationPollInterval !== undefined) {
    flags.set('rotation-poll-interval', rotationPollInterval)
  }
  if (container.name === containers.provider && azure !== undefined) {
    // All classes reach the local Azure by the environment; these are for a class that says `useEmulator`.
    flags.set('emulator-proxy', azure.proxy)
    flags.set('emulator-ca-file', `${trustDirectory}/ca.crt`)
  }
  if (container.name === containers.provider && caching === 'off') {
    for (const [flag, value] of Object.entries(withoutCaching)) flags.set(flag, value)
  }
  for (const [flag, setting] of Object.entries(addressFlags[container.name] ?? {})) {
    if (shared !== undefined) flags.set(flag, `127.0.0.1:${shared.ports[setting]}`)
  }
  const given = container.args ?? []
  const args = shared === undefined ? given : given.filter((word) => !portFlags.has(flagOf(word)))
  return {
    ...container,
    ...(image === undefined ? {} : { image }),
    args: withFlags(args, flags),
    ports: shared === undefined ? (container.ports ?? []) : containerPorts(container, shared.ports),
  }
}

/** Probes name their port, so the list of ports has to say the new number. */
function containerPorts({ name, ports = [] }: Container, daemonPorts: DaemonPorts) {
  const numbers: Record<string, Record<string, number>> = {
    [containers.driver]: { metrics: daemonPorts.driverMetrics, healthz: daemonPorts.driverHealth },
    [containers.provider]: { metrics: daemonPorts.providerMetrics, healthz: daemonPorts.providerHealth },
  }
  return ports.map((port) => ({ ...port, containerPort: numbers[name]?.[port.name ?? ''] ?? port.containerPort }))
}

function moveProviders(volume: Volume, directory: string): Volume {
  const below = providerDirectories[volume.hostPath?.path ?? '']
  if (volume.hostPath === undefined || below === undefined) return volume
  return { ...volume, hostPath: { ...volume.hostPath, path: join(directory, below) } }
}

/** A copy with every string in it changed. */
function mapStrings<T>(value: T, change: (text: string) => string): T {
  if (typeof value === 'string') return change(value) as T
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapStrings(item, change)])) as T
}
