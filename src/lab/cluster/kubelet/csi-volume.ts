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
import { VolumeCapability_AccessMode_Mode } from '#kubernetes/csi'
import { errorCode, errorMessage } from '#lib'
import { readMounts } from '#lib/files'
import { createConfigReader } from './config-reader.ts'
import { PluginError, publishVolume, takesMountGroup, unpublishVolume } from './plugin-client.ts'
import type { PluginManager } from './plugin-manager.ts'
import type { PodTokens } from './token-cache.ts'

/** The driver of a volume has not registered on this node (yet). */
export class DriverMissingError extends Error {
  override readonly name = 'DriverMissingError'
  readonly driver: string

  constructor(operation: string, driver: string) {
    super(
      `kubernetes.io/csi: ${operation} failed to get CSI client: driver name ${driver} not found in the list of registered CSI drivers`,
    )
    this.driver = driver
  }
}

export interface CsiVolumes {
  /**
   * Publishes an inline volume and gives its directory; `again` only if its driver wants that. A driver that can make files
   * readable for a `group` is told it. A publish that failed for good leaves nothing behind; one that
   * may still be under way in the driver is left for the next attempt. https://github.com/kubernetes/kubernetes/pull/139045
   * says why a volume that was published before is never cleaned.
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

/** What is kept beside a volume, in kubelet's file and format, so that it can be unpublished after a restart. */
interface VolumeData {
  driverName: string
  specVolID: string
  volumeHandle: string
  volumeLifecycleMode: 'Ephemeral'
}

const tokensKey = 'csi.storage.k8s.io/serviceAccount.tokens'
const defaultTokenSeconds = 3600

export function createCsiVolumes(options: {
  kube: KubeClient
  plugins: PluginManager
  tokens: PodTokens
  /** Directory of a volume's data and mount point. */
  directoryOf(podUid: string, volume: string): string
}): CsiVolumes {
  const { kube, plugins, tokens, directoryOf } = options

  async function driverObject(name: string): Promise<CsiDriver['spec']> {
    try {
      return (await kube.get(resources.csiDrivers, { name })).spec
    } catch (error) {
      if (isNotFound(error)) return {}
      throw error
    }
  }

  async function publishSecrets(namespace: string, ref: { name: string } | undefined): Promise<Record<string, string>> {
    if (ref === undefined) return {}
    try {
      const entries = (await createConfigReader(kube, namespace).secret({ name: ref.name })) ?? []
      return Object.fromEntries([...entries].map(([key, value]) => [key, value.toString('utf8')]))
    } catch (error) {
      throw new Error(`fetching NodePublishSecretRef ${namespace}/${ref.name} failed: ${errorMessage(error)}`)
    }
  }

  async function requestedTokens(
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

  return {
    async publish(pod, name, source, { again, group }) {
      const { uid = '', namespace = '' } = pod.metadata
      const directory = directoryOf(uid, name)
      const target = join(directory, 'mount')
      const driver = await driverObject(source.driver)
      if (again && driver.requiresRepublish !== true) return target
      const socket = plugins.socketOf(source.driver)
      if (socket === undefined) throw new DriverMissingError('mounter.SetUpAt', source.driver)
      const modes = driver.volumeLifecycleModes ?? ['Persistent']
      if (!modes.includes('Ephemeral'))
        throw new Error(
          `volume mode "Ephemeral" not supported by driver ${source.driver} (only supports ${JSON.stringify(modes)})`,
        )
      const [secrets, podTokens] = await Promise.all([
        publishSecrets(namespace, source.nodePublishSecretRef),
        requestedTokens(pod, driver.tokenRequests),
      ])
      const volumeMountGroup = group !== undefined && (await takesMountGroup(socket)) ? String(group) : ''
      const inSecrets = driver.serviceAccountTokenInSecrets === true
      const volumeHandle = `csi-${createHash('sha256').update(`${uid}${name}`).digest('hex')}`
      const data: VolumeData = {
        driverName: source.driver,
        specVolID: name,
        volumeHandle,
        volumeLifecycleMode: 'Ephemeral',
      }
      mkdirSync(directory, { recursive: true, mode: 0o750 })
      writeFileSync(join(directory, dataFile), JSON.stringify(data), { mode: 0o600 })
      try {
        await publishVolume(socket, {
          volumeId: volumeHandle,
          publishContext: {},
          stagingTargetPath: '',
          targetPath: target,
          volumeCapability: {
            accessType: {
              $case: 'mount',
              value: { fsType: source.fsType ?? '', mountFlags: [], volumeMountGroup },
            },
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
        })
      } catch (error) {
        if (error instanceof PluginError && error.final && !again && !isMounted(target)) removeVolume(directory)
        throw error
      }
      return target
    },

    async unpublish(directory) {
      const data = readData(directory)
      if (data !== undefined) {
        const socket = plugins.socketOf(data.driverName)
        if (socket === undefined) throw new DriverMissingError('Unmounter.TearDownAt', data.driverName)
        await unpublishVolume(socket, { volumeId: data.volumeHandle, targetPath: join(directory, 'mount') })
      }
      removeVolume(directory)
    },
  }
}

const dataFile = 'vol_data.json'

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
