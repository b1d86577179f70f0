import { isDeepStrictEqual } from 'node:util'
import type { VolumeMount } from '#kubernetes/client'
import { reservedVolumePrefix } from './token-volume.ts'

export type MountChange =
  | { kind: 'none' }
  | { kind: 'add' }
  | { kind: 'replace'; index: number }
  /** The user mounts a volume of their own there; two mounts at one path would make the pod invalid. */
  | { kind: 'taken'; by: string }

/**
 * What has to change in a container's mounts so that it has `mount`. A mount of the same volume with other settings is
 * replaced, and so is one at the same path that the webhook made for another pod of which this one is a copy
 * (`kubectl debug --copy-to`).
 *
 * @param all every mount that the container gets: an existing mount that matches another one of them is left to that one.
 */
export function mountChange(
  existing: readonly VolumeMount[],
  mount: VolumeMount,
  all: readonly VolumeMount[],
): MountChange {
  const index = existing.findIndex(({ mountPath }) => isSamePath(mountPath, mount.mountPath))
  const found = existing[index]
  if (found !== undefined) {
    if (isDeepStrictEqual(found, mount)) return { kind: 'none' }
    const ours = found.name === mount.name || found.name.startsWith(reservedVolumePrefix)
    return ours ? { kind: 'replace', index } : { kind: 'taken', by: found.name }
  }
  const elsewhere = existing.findIndex(
    ({ name, mountPath }) => name === mount.name && !all.some((other) => isSamePath(other.mountPath, mountPath)),
  )
  // A mount at another path moves once: to the first path of the volume.
  return elsewhere >= 0 && all[0] === mount ? { kind: 'replace', index: elsewhere } : { kind: 'add' }
}

function isSamePath(a: string, b: string): boolean {
  return withoutTrailingSlashes(a) === withoutTrailingSlashes(b)
}

/** Not by a regular expression: those that match at the end of a text try at every slash, however many there are. */
function withoutTrailingSlashes(path: string): string {
  let end = path.length
  while (end > 0 && path[end - 1] === '/') end--
  return path.slice(0, end)
}
