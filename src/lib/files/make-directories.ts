import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorCode } from '#lib'

/**
 * Makes a directory, and those above it that are missing, as `mkdir -p` does. Node's own way repeats itself for good where a
 * file system has the parent and refuses the child with ENOENT, as /proc does.
 *
 * @param mode of each directory that is made. Default 0o777 without the umask.
 */
export function makeDirectories(path: string, mode?: number): void {
  try {
    mkdirSync(path, { mode })
    return
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EEXIST' && statSync(path).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
  }
  makeDirectories(dirname(path), mode)
  mkdirSync(path, { mode })
}
