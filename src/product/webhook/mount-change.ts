import { isDeepStrictEqual } from 'node:util'
import type { VolumeMount } from '#kubernetes/client'
import { reservedVolumePrefix } from './token-volume.ts'

export type MountChange =
  | { kind: 'none' }
  | { kind: 'add' }
  | { kind: 'replace'; index: number }
  /** The user has a volume of theirs there; two mounts at one path would make the pod invalid. */
  | { kind: 'taken'; by: string }

/**
 * What has to happen to a container's mounts so that it has `mount`. A mount of the same volume is brought into line, and so
 * is one at the same path that the webhook made for another pod of which this one is a copy (`kubectl debug --copy-to`).
 *
 * @param all every mount that the container gets: one that stands for another of them is left to that one.
 */
export function mountChange(
  existing: readonly VolumeMount[],
  mount: VolumeMount,
  all: readonly VolumeMount[],
): MountChange {
  const there = existing.findIndex(({ mountPath }) => samePath(mountPath, mount.mountPath))
  const found = existing[there]
  if (found !== undefined) {
    if (isDeepStrictEqual(found, mount)) return { kind: 'none' }
    const ours = found.name === mount.name || found.name.startsWith(reservedVolumePrefix)
    return ours ? { kind: 'replace', index: there } : { kind: 'taken', by: found.name }
  }
  const elsewhere = existing.findIndex(
    ({ name, mountPath }) => name === mount.name && !all.some((other) => samePath(other.mountPath, mountPath)),
  )
  // One astray is moved once: to the first path of the volume.
  return elsewhere >= 0 && all[0] === mount ? { kind: 'replace', index: elsewhere } : { kind: 'add' }
}

function samePath(a: string, b: string): boolean {
  return a.replace(/\/+$/, '') === b.replace(/\/+$/, '')
}
