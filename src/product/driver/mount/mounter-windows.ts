import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join, win32 } from 'node:path'
import { withoutEnd } from '#lib'
import type { Mounter } from './mounter.ts'

/** The calls to the file system, injected so that they can be tested on another system. */
export interface WindowsFiles {
  /** Names in a directory; undefined when it is not a directory. */
  list(path: string): readonly string[] | undefined
  makeDirectory(path: string): void
  remove(path: string): void
  isLink(path: string): boolean
}

/**
 * Windows has no memory file system: a volume is a directory on the node's disk, and it counts as mounted when it is not
 * empty. Limits of size and memory do not apply. docs/windows.md describes what that means.
 */
export function createWindowsMounter(files: WindowsFiles = realFiles): Mounter {
  const isMounted = (target: string) => (files.list(target)?.length ?? 0) > 0
  /** One spelling per path: `C:/var\\lib\\` and `c:\\var\\lib` are the same directory. */
  const canonical = (path: string) => {
    const plain = withoutEnd(win32.normalize(path), '\\/')
    if (files.isLink(plain)) throw new Error(`${plain} is in the way: not a directory`)
    return plain.replace(/^[a-z]:/, (drive) => drive.toUpperCase())
  }
  return {
    async resolve(targetPath) {
      const target = canonical(targetPath)
      files.makeDirectory(win32.dirname(target))
      return target
    },
    async existing(targetPath) {
      const target = canonical(targetPath)
      return files.list(target) === undefined ? undefined : target
    },
    isMounted: async (target) => isMounted(target),
    mountedAmong: async (targets) => new Set(targets.filter(isMounted)),
    mounted: async () => new Set(),
    async mount(target) {
      files.makeDirectory(target)
    },
    makeRoom: async () => {},
    memoryOf: async () => 0,
    async unmount(target) {
      for (const name of files.list(target) ?? []) files.remove(win32.join(target, name))
    },
  }
}

const realFiles: WindowsFiles = {
  list: (path) => (existsSync(path) && lstatSync(path).isDirectory() ? readdirSync(path) : undefined),
  makeDirectory: (path) => mkdirSync(path, { recursive: true }),
  remove: (path) => rmSync(join(path), { recursive: true, force: true }),
  isLink: (path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true,
}
