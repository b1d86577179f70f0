import { chmodSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { errorCode } from '#lib'
import type { VolumeSystem } from './volume-system.ts'

/**
 * A program that has a file open may keep it from being renamed or removed: a virus scanner, an indexer, a reader. Most
 * hold it for milliseconds. The delays of Node's `rmSync` grow by this much each time: 300 ms in all.
 */
const patience = { maxRetries: 5, retryDelay: 20 }

/** No owners, no modes but the write bit, names without case, and no rename over a link to a directory. */
export const windowsFiles: VolumeSystem = {
  pathProblem,
  // What NTFS does: each UTF-16 unit for itself, in upper case.
  pathKey: (path) => path.toUpperCase(),
  setAccess: (path, { mode }) => chmodSync(path, mode),
  hasAccess: (stat, { mode }) => (stat.mode & 0o200) === (mode & 0o200),
  link: (target, path, kind) => symlinkSync(target, path, kind === 'directory' ? 'dir' : 'file'),
  linksHaveKinds: true,
  replaceLink(from, to) {
    try {
      renameSync(from, to)
    } catch (error) {
      if (!isRefused(error)) throw error
      // Not at once: between these two calls a reader finds no file.
      remove(to)
      renamePatiently(from, to)
    }
  },
  remove,
  discard(path) {
    try {
      remove(path)
    } catch (error) {
      if (!isRefused(error)) throw error
    }
  },
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, ...patience })
}

function renamePatiently(from: string, to: string): void {
  for (let i = 1; ; i++) {
    try {
      renameSync(from, to)
      return
    } catch (error) {
      if (!isRefused(error) || i > patience.maxRetries) throw error
      sleepSync(i * patience.retryDelay)
    }
  }
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** The codes that libuv makes of ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_ALREADY_EXISTS and ERROR_DIR_NOT_EMPTY. */
function isRefused(error: unknown): boolean {
  return ['EPERM', 'EACCES', 'EBUSY', 'EEXIST', 'ENOTEMPTY'].includes(errorCode(error) ?? '')
}

/** Names of devices in every directory, with any extension: https://learn.microsoft.com/windows/win32/fileio/naming-a-file */
const deviceName = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]) *(?:\.|$)/i

/** `\` and `:` lead to another directory, drive or data stream; the others cannot be in a name. */
const refusedCharacters = '\\:<>"|?*'

/** In UTF-16 units, as Windows counts. */
const maxNameLength = 255

function pathProblem(path: string): string | undefined {
  for (const name of path.split('/')) {
    const character = [...name].find((each) => each < ' ' || refusedCharacters.includes(each))
    if (character !== undefined) return `has ${JSON.stringify(character)}, which no file name of Windows can have`
    if (deviceName.test(name)) return `has the name of a device of Windows, "${name.slice(0, 20)}"`
    if (/[. ]$/.test(name)) return 'has a name that ends with a dot or a space, which Windows leaves out'
    if (name.length > maxNameLength) return `has a name longer than ${maxNameLength} characters`
  }
  return undefined
}
