import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { win32 } from 'node:path'
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
  const canonical = (path: string) => {
    const plain = onDrive(path)
    if (files.isLink(plain)) throw new Error(`${plain} is in the way: not a directory`)
    return plain
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

/** One spelling per path: `C:/var\\lib\\` and `c:\\var\\lib` are the same directory. Shares, devices and data streams are refused. */
function onDrive(path: string): string {
  const plain = withoutEnd(win32.normalize(path), '\\/')
  if (!/^[A-Za-z]:\\[^:]+$/.test(plain)) throw new Error(`found ${path}, expected a path on a drive, such as C:\\var`)
  return `${plain.slice(0, 1).toUpperCase()}${plain.slice(1)}`
}

const realFiles: WindowsFiles = {
  list: (path) => (existsSync(path) && lstatSync(path).isDirectory() ? readdirSync(path) : undefined),
  makeDirectory: (path) => mkdirSync(path, { recursive: true }),
  // A file that a container or a scanner still holds is tried again for 300 ms, and after that by kubelet.
  remove: (path) => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 }),
  isLink: (path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true,
}
