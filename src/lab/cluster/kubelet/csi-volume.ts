import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CsiDriver,
  type CsiVolumeSource,
  isNotFound,
  type KubeClient,
  type Pod,
  resources,
} from '#kubernetes/client'
import { type NodePublishVolumeRequest, VolumeCapability_AccessMode_Mode } from '#kubernetes/csi'
import { CodedError, errorCode, errorMessage } from '#lib'
import { readMounts } from '#lib/files'
import { createConfigReader } from './config-reader.ts'
import type { HostPaths } from './host-paths.ts'
import { PluginError, publishVolume, takesMountGroup, unpublishVolume } from './plugin-client.ts'
import type { PluginManager } from './plugin-manager.ts'
import type { PodTokens } from './token-cache.ts'

/** The driver of a volume is not registered on this node. */
export class DriverMissingError extends CodedError<'driver-missing'> {
  readonly driver: string

  constructor(operation: string, driver: string) {
    super(
      'driver-missing',
      `kubernetes.io/csi: ${operation} failed to get CSI client: driver name ${driver} not found in the list of registered CSI drivers`,
      { retryable: true },
    )
    this.driver = driver
  }
}

export interface CsiVolumes {
  /**
   * Publishes an inline volume; with `again`, only if its driver requires republishing. The `group` goes to a driver that can
   * make files readable for it. A publish that failed for good leaves nothing behind; one that may still be under way in the
   * driver is left for the next attempt. Why a volume that was published before is never removed:
   * https://github.com/kubernetes/kubernetes/pull/139045
   *
   * @returns the directory that the volume is mounted at.
   */
  publish(
    pod: Pod,
    name: string,
    source: CsiVolumeSource,
    options: { again: boolean; group: number | undefined },
  ): Promise<string>
  /** Unpublishes the volume in `directory`; nothing when it is gone. */
  unpublish(directory: string): Promise<void>
}

/** Record beside a volume, in kubelet's file and format, with which it is unpublished after a restart. */
interface VolumeData {
  driverName: string
  specVolID: string
  volumeHandle: string
  volumeLifecycleMode: 'Ephemeral'
}

const tokensKey = 'csi.storage.k8s.io/serviceAccount.tokens'
const defaultTokenSeconds = 3600

export interface CsiVolumesOptions {
  kube: KubeClient
  plugins: PluginManager
  tokens: PodTokens
  hostPaths: HostPaths
  /** Directory of a volume's data and mount point. */
  directoryOf(podUid: string, volume: string): string
}

export function createCsiVolumes(options: CsiVolumesOptions): CsiVolumes {
  return {
    publish: (pod, name, source, how) => publish(options, pod, { name, source, ...how }),
    unpublish: (directory) => unpublish(options, directory),
  }
}

interface Publication {
  name: string
  source: CsiVolumeSource
  again: boolean
  group: number | undefined
}

async function publish(options: CsiVolumesOptions, pod: Pod, publication: Publication): Promise<string> {
  const { kube, plugins, directoryOf } = options
  const { name, source, again } = publication
  const { uid = '' } = pod.metadata
  const directory = directoryOf(uid, name)
  const target = join(directory, 'mount')
  const driver = await driverSpec(kube, source.driver)
  if (again && driver.requiresRepublish !== true) return target
  const registered = plugins.driver(source.driver)
  if (registered === undefined) throw new DriverMissingError('mounter.SetUpAt', source.driver)
  requireEphemeral(driver, source.driver)
  const request = await requestOf(options, pod, publication, {
    driver,
    socket: registered.socket,
    target: options.hostPaths.forDriver(registered.endpoint, target),
  })
  mkdirSync(directory, { recursive: true, mode: 0o750 })
  writeData(directory, {
    driverName: source.driver,
    specVolID: name,
    volumeHandle: request.volumeId,
    volumeLifecycleMode: 'Ephemeral',
  })
  try {
    await publishVolume(registered.socket, request)
  } catch (error) {
    if (error instanceof PluginError && error.final && !again && !isMounted(target)) removeVolume(directory)
    throw error
  }
  return target
}

async function driverSpec(kube: KubeClient, name: string): Promise<CsiDriver['spec']> {
  try {
    return (await kube.get(resources.csiDrivers, { name })).spec
  } catch (error) {
    if (isNotFound(error)) return {}
    throw error
  }
}

function requireEphemeral({ volumeLifecycleModes: modes = ['Persistent'] }: CsiDriver['spec'], name: string): void {
  if (modes.includes('Ephemeral')) return
  throw new Error(`volume mode "Ephemeral" not supported by driver ${name} (only supports ${JSON.stringify(modes)})`)
}

async function requestOf(
  options: CsiVolumesOptions,
  pod: Pod,
  { name, source, group }: Publication,
  { driver, socket, target }: { driver: CsiDriver['spec']; socket: string; target: string },
): Promise<NodePublishVolumeRequest> {
  const { uid = '', namespace = '' } = pod.metadata
  const [secrets, podTokens] = await Promise.all([
    publishSecrets(options.kube, namespace, source.nodePublishSecretRef),
    requestedTokens(options.tokens, pod, driver.tokenRequests),
  ])
  const volumeMountGroup = group !== undefined && (await takesMountGroup(socket)) ? String(group) : ''
  const inSecrets = driver.serviceAccountTokenInSecrets === true
  return {
    volumeId: `csi-${createHash('sha256').update(`${uid}${name}`).digest('hex')}`,
    publishContext: {},
    stagingTargetPath: '',
    targetPath: target,
    volumeCapability: {
      accessType: { $case: 'mount', value: { fsType: source.fsType ?? '', mountFlags: [], volumeMountGroup } },
      accessMode: { mode: VolumeCapability_AccessMode_Mode.SINGLE_NODE_WRITER },
    },
    readonly: source.readOnly ?? false,
    secrets: inSecrets ? { ...secrets, ...podTokens } : secrets,
    // The pod's own attributes come last: a user cannot pretend to be another pod.
    volumeContext: {
      ...source.volumeAttributes,
      ...(driver.podInfoOnMount === true ? podAttributes(pod) : {}),
      ...(inSecrets ? {} : podTokens),
    },
  }
}

async function publishSecrets(
  kube: KubeClient,
  namespace: string,
  ref: { name: string } | undefined,
): Promise<Record<string, string>> {
  if (ref === undefined) return {}
  try {
    const entries = (await createConfigReader(kube, namespace).secret({ name: ref.name })) ?? []
    return Object.fromEntries([...entries].map(([key, value]) => [key, value.toString('utf8')]))
  } catch (error) {
    throw new Error(`fetching NodePublishSecretRef ${namespace}/${ref.name} failed: ${errorMessage(error)}`)
  }
}

async function requestedTokens(
  tokens: PodTokens,
  pod: Pod,
  requests: CsiDriver['spec']['tokenRequests'],
): Promise<Record<string, string>> {
  if (requests === undefined || requests.length === 0) return {}
  const entries = requests.map(async ({ audience, expirationSeconds = defaultTokenSeconds }) => {
    const { token, expirationTimestamp } = await tokens.get(pod, audience, expirationSeconds)
    return [audience, { token, expirationTimestamp }] as const
  })
  return { [tokensKey]: JSON.stringify(Object.fromEntries(await Promise.all(entries))) }
}

async function unpublish({ plugins, hostPaths }: CsiVolumesOptions, directory: string): Promise<void> {
  const data = readData(directory)
  if (data !== undefined) {
    const driver = plugins.driver(data.driverName)
    if (driver === undefined) throw new DriverMissingError('Unmounter.TearDownAt', data.driverName)
    const targetPath = hostPaths.forDriver(driver.endpoint, join(directory, 'mount'))
    await unpublishVolume(driver.socket, { volumeId: data.volumeHandle, targetPath })
  }
  removeVolume(directory)
}

const dataFile = 'vol_data.json'

function writeData(directory: string, data: VolumeData): void {
  writeFileSync(join(directory, dataFile), JSON.stringify(data), { mode: 0o600 })
}

function readData(directory: string): VolumeData | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, dataFile), 'utf8')) as VolumeData
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function isMounted(path: string): boolean {
  return readMounts().some(({ mountPoint }) => mountPoint === path)
}

/** Removes what is left of a volume. Refuses while its mount point is mounted, so that nothing is deleted through it. */
function removeVolume(directory: string): void {
  const target = join(directory, 'mount')
  if (isMounted(target)) throw new Error(`${target} is still mounted`)
  try {
    rmdirSync(target)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
  rmSync(directory, { recursive: true, force: true })
}

function podAttributes({ metadata, spec }: Pod): Record<string, string> {
  return {
    'csi.storage.k8s.io/pod.name': metadata.name ?? '',
    'csi.storage.k8s.io/pod.namespace': metadata.namespace ?? '',
    'csi.storage.k8s.io/pod.uid': metadata.uid ?? '',
    'csi.storage.k8s.io/serviceAccount.name': spec.serviceAccountName ?? '',
    'csi.storage.k8s.io/ephemeral': 'true',
  }
}
