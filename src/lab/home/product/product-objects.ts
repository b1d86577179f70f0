import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { Container, DaemonSet, KubeObject, PodSpec, UntypedObject, Volume } from '#kubernetes/client'
import { flagOf, withFlags } from './container-flags.ts'

export interface ProductSettings {
  /** Image of both daemons. Default: the one of the manifests. */
  image?: string | undefined
  /** Root directory of the nodes' kubelet. */
  kubeletRoot: string
  /** Whether mounted values are rotated. Default: as in the manifests. */
  rotation?: boolean | undefined
  /** Go duration. Default: the driver's. */
  rotationPollInterval?: string | undefined
  /** The way to a local Azure. Default: the public Azure. */
  azure?: { proxy: string; imds: string; caPem: string; noProxy: readonly string[] } | undefined
  /** The token proxy of identity bindings. Default: at the API server's name in the cluster. */
  tokenProxy?: TokenProxyPlace | undefined
  /** `off`: the provider signs in and reads again for every mount. Default: on. */
  caching?: 'on' | 'off' | undefined
  /** Whether Keymount is the add-on of a managed cluster: the DaemonSets then have the names and labels of those of AKS. */
  addon?: boolean | undefined
  /** Set for a local cluster, where all pods share the file system of the machine with other programs. */
  shared?: SharedMachine | undefined
}

export interface TokenProxyPlace {
  url: string
  /** TLS server name. */
  sniName: string
}

export interface SharedMachine {
  /** Directory of the providers' sockets on the machine. */
  providersDirectory: string
  /** Directory that lies over the image of Keymount in the cluster. */
  imageOverlay?: string | undefined
  /** Set if they share its network too. */
  ports: DaemonPorts | undefined
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
/** Names of the add-on's DaemonSets on AKS, by those of the manifests. */
const addonNames: Record<string, string> = {
  'csi-secrets-store': 'aks-secrets-store-csi-driver',
  'csi-secrets-store-provider-azure': 'aks-secrets-store-provider-azure',
}
const addonLabels = { 'kubernetes.azure.com/managedby': 'aks' }
const trustDirectory = '/etc/keymount/trust'
const defaultKubeletRoot = '/var/lib/kubelet'

/** Directories of providers in the manifests, and where each is below {@link SharedMachine.providersDirectory}. */
const providerDirectories: Record<string, string> = {
  '/var/run/secrets-store-csi-providers': '',
  '/etc/kubernetes/secrets-store-csi-providers': 'additional',
}

const containers = { driver: 'secrets-store', provider: 'provider-azure-installer' } as const

/**
 * Flags of a provider that caches nothing: a changed federated credential or value shows at once, not only when a token
 * (ten minutes) or a read (five seconds) has expired.
 */
const withoutCaching = { 'token-cache-ttl': '0s', 'read-share': '0s' } as const

/** Flags with an address, by container, and the port of each. */
const addressFlags: Record<string, Record<string, keyof DaemonPorts>> = {
  [containers.driver]: { 'metrics-addr': 'driverMetrics', 'health-addr': 'driverHealth' },
  [containers.provider]: { 'metrics-addr': 'providerMetrics', 'health-addr': 'providerHealth' },
}

/** Flags of the manifests with a port on every interface; {@link addressFlags} replace them. */
const portFlags = new Set(['prometheus-port', 'healthz-port'])

/** Files of the package's `deploy/`. */
const manifestFiles = { product: 'keymount.yaml', secretSync: 'optional/secret-sync.yaml' } as const

/** The objects of Keymount, and those that let it write Kubernetes Secrets if `secretSync` is true. */
export function readManifests(packageRoot: string, { secretSync }: { secretSync: boolean }): UntypedObject[] {
  const directory = join(packageRoot, 'deploy')
  const files = secretSync ? [manifestFiles.product, manifestFiles.secretSync] : [manifestFiles.product]
  return files
    .flatMap((name) => parseAllDocuments(readFileSync(join(directory, name), 'utf8')))
    .map((document) => document.toJS() as UntypedObject | null)
    .filter((object) => object !== null)
}

/** The manifests adapted to one cluster: only directories, addresses and settings differ. */
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

/** ConfigMaps that send the provider to the local Azure. The manifests read both if they exist. */
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
    // A container reads the ConfigMap when it starts, so new values must change the template.
    'keymount.dev/configuration': configurationDigest,
  }
  const adapted = {
    ...moved,
    spec: {
      ...moved.spec,
      template: { metadata: { ...template.metadata, annotations }, spec: podSpec(template.spec, settings) },
    },
  }
  return settings.addon === true ? asAddon(adapted) : adapted
}

/** The selectors do not change: on AKS, too, they have the label `app` alone. */
function asAddon(set: DaemonSet): DaemonSet {
  const { metadata, spec } = set
  const { name = '' } = metadata
  const withAddonLabels = (meta: KubeObject['metadata']) => ({ ...meta, labels: { ...meta.labels, ...addonLabels } })
  const template = { ...spec.template, metadata: withAddonLabels(spec.template.metadata ?? {}) }
  return {
    ...set,
    metadata: { ...withAddonLabels(metadata), name: addonNames[name] ?? name },
    spec: { ...spec, template },
  }
}

function podSpec(spec: PodSpec, settings: ProductSettings): PodSpec {
  const { shared } = settings
  const { volumes = [] } = spec
  return {
    ...spec,
    containers: spec.containers.map((container) => daemonContainer(container, settings)),
    volumes: shared === undefined ? volumes : volumes.map((volume) => moveProviders(volume, shared.providersDirectory)),
  }
}

function daemonContainer(container: Container, settings: ProductSettings): Container {
  const { image, shared } = settings
  const { args = [], ports = [] } = container
  const replaceable = shared?.ports === undefined ? args : args.filter((word) => !portFlags.has(flagOf(word)))
  const adapted: Container = {
    ...container,
    args: withFlags(replaceable, daemonFlags(container.name, settings)),
    ports: shared?.ports === undefined ? ports : containerPorts(container, shared.ports),
  }
  if (image !== undefined) adapted.image = image
  return adapted
}

/** The flags that a container gets beyond those of the manifests. */
function daemonFlags(container: string, settings: ProductSettings): Map<string, string> {
  const { rotation, rotationPollInterval, azure, caching, shared, tokenProxy } = settings
  const flags = new Map<string, string>()
  if (container === containers.driver) {
    if (rotation !== undefined) flags.set('enable-secret-rotation', String(rotation))
    if (rotationPollInterval !== undefined) flags.set('rotation-poll-interval', rotationPollInterval)
  }
  if (container === containers.provider && azure !== undefined) {
    // All classes reach the local Azure by the environment; these flags are for classes with `useEmulator`.
    flags.set('emulator-proxy', azure.proxy)
    flags.set('emulator-ca-file', `${trustDirectory}/ca.crt`)
  }
  if (container === containers.provider && tokenProxy !== undefined) {
    flags.set('token-proxy-url', tokenProxy.url)
    flags.set('sni-name', tokenProxy.sniName)
  }
  if (container === containers.provider && caching === 'off') {
    for (const [flag, value] of Object.entries(withoutCaching)) flags.set(flag, value)
  }
  for (const [flag, port] of Object.entries(addressFlags[container] ?? {})) {
    if (shared?.ports !== undefined) flags.set(flag, `127.0.0.1:${shared.ports[port]}`)
  }
  return flags
}

/** Probes refer to ports by name, so the numbers in the list of ports have to change. */
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

/** A copy in which every string is changed. */
function mapStrings<T>(value: T, change: (text: string) => string): T {
  if (typeof value === 'string') return change(value) as T
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapStrings(item, change)])) as T
}
