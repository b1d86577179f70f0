import { existsSync, lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** See {@link Mounter.resolve}. */
export async function resolveTarget(targetPath: string): Promise<string> {
  mkdirSync(dirname(targetPath), { recursive: true, mode: 0o750 })
  const target = canonical(targetPath)
  isDirectory(target)
  return target
}

/** See {@link Mounter.existing}. */
export async function existingTarget(targetPath: string): Promise<string | undefined> {
  if (!existsSync(dirname(targetPath))) return undefined
  const target = canonical(targetPath)
  return isDirectory(target) ? target : undefined
}

function canonical(path: string): string {
  return join(realpathSync(dirname(path)), basename(path))
}

/** False when nothing is there; throws when it is not a directory. */
function isDirectory(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isDirectory()) throw new Error(`${path} is in the way: not a directory`)
  return stat !== undefined
}
