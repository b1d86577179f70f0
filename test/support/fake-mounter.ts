import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Mounter } from '#product/driver'
import { existingTarget, resolveTarget } from '../../src/product/driver/mount/target-directory.ts'

/** Records mounts instead of making them, so that tests need no rights. The mounter's contract suite runs on it too. */
export function createFakeMounter(): Mounter & { readonly mounts: ReadonlySet<string> } {
  const mounts = new Set<string>()
  return {
    mounts,
    resolve: resolveTarget,
    existing: existingTarget,
    isMounted: async (target) => mounts.has(target),
    mounted: async () => new Set(mounts),
    mountedAmong: async (targets) => new Set(targets.filter((target) => mounts.has(target))),
    async mount(target) {
      mkdirSync(target, { recursive: true, mode: 0o750 })
      if (readdirSync(target).length > 0) throw new Error(`the fake cannot hide what is in ${target}`)
      mounts.add(target)
    },
    makeRoom: async () => {},
    memoryOf: async (target) => memoryBelow(target),
    async unmount(target) {
      if (!mounts.delete(target)) return
      for (const name of readdirSync(target)) rmSync(join(target, name), { recursive: true, force: true })
    },
  }
}

/** As tmpfs counts it: whole pages, and the inodes of files, directories and links. */
function memoryBelow(path: string): number {
  const stat = lstatSync(path)
  const below = stat.isDirectory() ? readdirSync(path).map((name) => memoryBelow(join(path, name))) : []
  const pages = stat.isFile() ? Math.ceil(stat.size / 4096) * 4096 : 0
  return below.reduce((sum, bytes) => sum + bytes, pages + 1024)
}
