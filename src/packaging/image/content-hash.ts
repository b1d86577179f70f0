import { createHash } from 'node:crypto'
import { globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { SystemFile } from './system-files.ts'

/**
 * A hash of all that the image is made of: our sources and locked dependencies by content; Node and the machine's files,
 * which are large and change only with an upgrade, by path, size and time. Takes some 30 ms.
 */
export function contentHash(root: string, node: string, files: readonly SystemFile[]): string {
  const hash = createHash('sha256')
  const sources = globSync('src/**/*.{ts,go,mod}', { cwd: root }).filter((path) => !path.endsWith('.test.ts'))
  for (const path of ['package.json', 'package-lock.json', ...sources.toSorted()]) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0')
  }
  for (const path of [node, ...files.map(({ source }) => source)]) {
    const { size, mtimeMs } = statSync(path)
    hash.update(`${path}\0${size}\0${mtimeMs}\0`)
  }
  return hash.digest('hex').slice(0, 16)
}
