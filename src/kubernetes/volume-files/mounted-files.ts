import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SecretValue } from '#lib'

/** Relative paths of the files of a volume as its pod sees them. One top-level link is followed, deeper ones are not. */
export function mountedPaths(target: string): string[] {
  const paths: string[] = []
  const walk = (directory: string) => {
    for (const name of readdirSync(join(target, directory))) {
      const path = `${directory}/${name}`
      const stat = lstatSync(join(target, path))
      if (stat.isDirectory()) walk(path)
      else if (stat.isFile()) paths.push(path)
    }
  }
  for (const name of readdirSync(target)) {
    if (name.startsWith('..')) continue
    const stat = statSync(join(target, name), { throwIfNoEntry: false })
    if (stat?.isDirectory()) walk(name)
    else if (stat?.isFile()) paths.push(name)
  }
  return paths
}

/** The files of a volume by relative path. @param only these paths. Default: all. */
export function mountedFiles(target: string, only?: ReadonlySet<string>): ReadonlyMap<string, SecretValue> {
  const paths = mountedPaths(target).filter((path) => only?.has(path) ?? true)
  return new Map(paths.map((path) => [path, SecretValue.of(readFileSync(join(target, path)))]))
}
