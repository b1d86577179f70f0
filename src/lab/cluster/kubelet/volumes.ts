import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Container, Pod, Volume, VolumeMount } from '#kubernetes/client'
import { writeFiles } from '#kubernetes/volume-files'
import { isWithin, lockedFlags, mountOf, readMounts } from '#lib/files'
import type { ContainerMount } from './container-script.ts'
import type { IdentityLimits } from './credentials.ts'
import type { CsiVolumes } from './csi-volume.ts'
import type { NodeDirectories } from './node-directories.ts'
import { PodConfigError } from './pod-fields.ts'
import { type FileSources, volumeFiles } from './volume-files.ts'

export interface Volumes {
  /** Makes a volume ready and gives its path on the machine. */
  setUp(pod: Pod, volume: Volume): Promise<string>
  /** Repeats what is repeated while a pod runs: written files follow their sources, drivers are asked again if they want to. */
  refresh(pod: Pod, volume: Volume): Promise<void>
  /** Releases everything of a pod; may be called again after it failed. */
  tearDown(podUid: string): Promise<void>
}

export function createVolumes(options: {
  directories: NodeDirectories
  csi: CsiVolumes
  files: FileSources
  limits: IdentityLimits
}): Volumes {
  const { directories, csi, files, limits } = options

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
      if (volume.hostPath !== undefined) return hostPath(volume.hostPath.path, volume.hostPath.type ?? '')
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

/** https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types */
function hostPath(path: string, type: string): string {
  if (type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true, mode: 0o755 })
  if (type === 'FileOrCreate') closeSync(openSync(path, 'a', 0o644))
  const stat = statSync(path, { throwIfNoEntry: false })
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
  return path
}

/** Where a container sees its volumes; parents before what is mounted inside them. */
export function containerMounts(container: Container, volumePaths: ReadonlyMap<string, string>): ContainerMount[] {
  const mounts = readMounts()
  const wanted = [...(container.volumeMounts ?? [])].sort((a, b) => depth(a) - depth(b))
  return wanted.map((wish) => {
    const volume = volumePaths.get(wish.name)
    if (volume === undefined) throw new PodConfigError(`volumeMount "${wish.name}" names no volume of the pod`)
    const source = sourceOf(wish, realpathSync(volume))
    const propagation = wish.mountPropagation ?? 'None'
    const on = mountOf(mounts, source)
    if (propagation === 'Bidirectional') {
      if (container.securityContext?.privileged !== true)
        throw new PodConfigError('Bidirectional mount propagation is available only to privileged containers')
      if (on?.shared !== true)
        throw new Error(`path "${source}" is mounted on "${on?.mountPoint}" but it is not a shared mount`)
    }
    return {
      source,
      target: resolve('/', wish.mountPath),
      kind: statSync(source).isDirectory() ? 'directory' : 'file',
      readOnly: wish.readOnly ?? false,
      propagation: ({ None: 'rprivate', HostToContainer: 'rslave', Bidirectional: 'rshared' } as const)[propagation],
      keptFlags: lockedFlags(on),
    }
  })
}

const depth = ({ mountPath }: VolumeMount): number => resolve('/', mountPath).split('/').length

/** The part of a volume that is mounted. A link in a volume must not lead out of it. */
function sourceOf({ subPath = '', name }: VolumeMount, volume: string): string {
  if (subPath === '') return volume
  const wanted = join(volume, subPath)
  if (!isWithin(volume, wanted)) throw new PodConfigError(`subPath "${subPath}" leads out of volume "${name}"`)
  if (!existsSync(wanted)) mkdirSync(wanted, { recursive: true, mode: 0o750 })
  const real = realpathSync(wanted)
  if (!isWithin(volume, real)) throw new PodConfigError(`subPath "${subPath}" leads out of volume "${name}"`)
  return real
}
