import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SecretValue } from '#lib'

/** The files of a volume as its pod sees them, by relative path. One top-level link is followed, deeper ones are not. */
export function mountedFiles(target: string): ReadonlyMap<string, SecretValue> {
  const files = new Map<string, SecretValue>()
  const add = (path: string) => files.set(path, SecretValue.of(readFileSync(join(target, path))))
  const walk = (directory: string) => {
    for (const name of readdirSync(join(target, directory))) {
      const path = `${directory}/${name}`
      const stat = lstatSync(join(target, path))
      if (stat.isDirectory()) walk(path)
      else if (stat.isFile()) add(path)
    }
  }
  for (const name of readdirSync(target)) {
    if (name.startsWith('..')) continue
    const stat = statSync(join(target, name), { throwIfNoEntry: false })
    if (stat?.isDirectory()) walk(name)
    else if (stat?.isFile()) add(name)
  }
  return files
}
