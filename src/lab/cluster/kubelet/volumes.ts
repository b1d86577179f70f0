import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Container, Pod, Volume, VolumeMount } from '#kubernetes/client'
import { writeFiles } from '#kubernetes/volume-files'
import { isWithin, lockedFlags, mountOf, readMounts } from '#lib/files'
import type { ContainerMount } from './container-script.ts'
import type { IdentityLimits } from './credentials.ts'
import type { CsiVolumes } from './csi-volume.ts'
import type { HostPaths } from './host-paths.ts'
import type { NodeDirectories } from './node-directories.ts'
import { PodConfigError } from './pod-fields.ts'
import { type FileSources, volumeFiles } from './volume-files.ts'

export interface Volumes {
  /** Makes a volume ready. @returns its path on the machine. */
  setUp(pod: Pod, volume: Volume): Promise<string>
  /** What is repeated while a pod runs: files follow their sources, and drivers that require it republish. */
  refresh(pod: Pod, volume: Volume): Promise<void>
  /** Releases all volumes of a pod; may be called again after it failed. */
  tearDown(podUid: string): Promise<void>
}

export function createVolumes(options: {
  directories: NodeDirectories
  hostPaths: HostPaths
  csi: CsiVolumes
  files: FileSources
  limits: IdentityLimits
}): Volumes {
  const { directories, hostPaths, csi, files, limits } = options

  const groupOf = (pod: Pod) => {
    const { fsGroup } = pod.spec.securityContext ?? {}
    return fsGroup !== undefined && limits.hasGroup(fsGroup) ? fsGroup : undefined
  }

  async function writeVolume(pod: Pod, volume: Volume): Promise<string | undefined> {
    const content = await volumeFiles(pod, volume, files)
    if (content === undefined) return undefined
    const directory = directories.memoryVolume(pod.metadata.uid ?? '', volume.name)
    mkdirSync(directory, { recursive: true, mode: 0o755 })
    writeFiles(directory, content, { owner: { groupId: groupOf(pod) }, now: new Date() })
    return directory
  }

  return {
    async setUp(pod, volume) {
      const uid = pod.metadata.uid ?? ''
      if (volume.csi !== undefined)
        return csi.publish(pod, volume.name, volume.csi, { again: false, group: groupOf(pod) })
      if (volume.hostPath !== undefined) return hostPath(hostPaths, volume.hostPath)
      if (volume.emptyDir !== undefined) {
        const inMemory = volume.emptyDir.medium === 'Memory'
        const place = inMemory ? directories.memoryVolume : directories.diskVolume
        return emptyDir(place(uid, volume.name), groupOf(pod))
      }
      const written = await writeVolume(pod, volume)
      if (written !== undefined) return written
      const kind = Object.keys(volume).find((key) => key !== 'name')
      throw new PodConfigError(`volumes of kind ${kind} are not supported by the local cluster`)
    },

    async refresh(pod, volume) {
      if (volume.csi === undefined) await writeVolume(pod, volume)
      else await csi.publish(pod, volume.name, volume.csi, { again: true, group: groupOf(pod) })
    },

    async tearDown(uid) {
      for (const directory of directories.csiVolumes(uid)) await csi.unpublish(directory)
      directories.removePod(uid)
    },
  }
}

function emptyDir(path: string, group: number | undefined): string {
  if (existsSync(path)) return path
  mkdirSync(path, { recursive: true })
  chmodSync(path, group === undefined ? 0o777 : 0o2777)
  if (group !== undefined) chownSync(path, -1, group)
  return path
}

/**
 * https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types
 * Without a type, container runtimes create a directory where there is nothing.
 */
function hostPath(hostPaths: HostPaths, { path, type = '' }: NonNullable<Volume['hostPath']>): string {
  const place = hostPaths.onMachine(path)
  const missing = !existsSync(place)
  if (missing && (type === 'DirectoryOrCreate' || type === '')) mkdirSync(place, { recursive: true, mode: 0o755 })
  if (missing && type === 'FileOrCreate') {
    mkdirSync(dirname(place), { recursive: true, mode: 0o755 })
    closeSync(openSync(place, 'a', 0o644))
  }
  const stat = statSync(place, { throwIfNoEntry: false })
  if (stat === undefined) throw new Error(`hostPath type check failed: ${path} does not exist`)
  const fits: Record<string, boolean> = {
    Directory: stat.isDirectory(),
    DirectoryOrCreate: stat.isDirectory(),
    File: stat.isFile(),
    FileOrCreate: stat.isFile(),
    Socket: stat.isSocket(),
    CharDevice: stat.isCharacterDevice(),
    BlockDevice: stat.isBlockDevice(),
  }
  if (fits[type] === false) throw new Error(`hostPath type check failed: ${path} is not a ${type}`)
  return place
}

/** The mounts of a container; parents before mounts inside them. */
export function containerMounts(container: Container, volumePaths: ReadonlyMap<string, string>): ContainerMount[] {
  const mounts = readMounts()
  const wanted = [...(container.volumeMounts ?? [])].sort((a, b) => depth(a) - depth(b))
  return wanted.map((mount) => {
    const volume = volumePaths.get(mount.name)
    if (volume === undefined) throw new PodConfigError(`the pod has no volume for the volumeMount "${mount.name}"`)
    const source = sourceOf(mount, realpathSync(volume))
    const propagation = mount.mountPropagation ?? 'None'
    const on = mountOf(mounts, source)
    if (propagation === 'Bidirectional') {
      if (container.securityContext?.privileged !== true)
        throw new PodConfigError('Bidirectional mount propagation is available only to privileged containers')
      if (on?.shared !== true)
        throw new Error(`path "${source}" is mounted on "${on?.mountPoint}" but it is not a shared mount`)
    }
    return {
      source,
      target: resolve('/', mount.mountPath),
      kind: statSync(source).isDirectory() ? 'directory' : 'file',
      readOnly: mount.readOnly ?? false,
      propagation: ({ None: 'rprivate', HostToContainer: 'rslave', Bidirectional: 'rshared' } as const)[propagation],
      keptFlags: lockedFlags(on),
    }
  })
}

const depth = ({ mountPath }: VolumeMount): number => resolve('/', mountPath).split('/').length

/** The directory or file of a volume that is mounted. A link in a volume must not lead out of it. */
function sourceOf({ subPath = '', name }: VolumeMount, volume: string): string {
  if (subPath === '') return volume
  const wanted = join(volume, subPath)
  if (!isWithin(volume, wanted)) throw new PodConfigError(`subPath "${subPath}" leads out of volume "${name}"`)
  if (!existsSync(wanted)) mkdirSync(wanted, { recursive: true, mode: 0o750 })
  const real = realpathSync(wanted)
  if (!isWithin(volume, real)) throw new PodConfigError(`subPath "${subPath}" leads out of volume "${name}"`)
  return real
}
