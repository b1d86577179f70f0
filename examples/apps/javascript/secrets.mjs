import { readdir, readFile, readlink } from 'node:fs/promises'
import { join, relative } from 'node:path'

/** All files of a mounted volume, of one and the same version: a map of names to bytes. */
export async function readSecrets(directory) {
  for (;;) {
    const version = await readlink(join(directory, '..data'))
    const [read] = await Promise.allSettled([readAll(join(directory, version))])
    if ((await readlink(join(directory, '..data'))) !== version) continue // replaced while it was read: read the next one
    if (read.status === 'rejected') throw read.reason
    return read.value
  }
}

async function readAll(version) {
  const entries = await readdir(version, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return new Map(await Promise.all(paths.map(async (path) => [relative(version, path), await readFile(path)])))
}

/** Calls `use` with the secrets now, and again after each rotation. Rejects if they cannot be read or used now. */
export async function followSecrets(directory, use, everyMs = 5000) {
  let version = await readlink(join(directory, '..data'))
  use(await readSecrets(directory))
  const check = async () => {
    try {
      const next = await readlink(join(directory, '..data'))
      if (next === version) return
      use(await readSecrets(directory))
      version = next
    } catch (error) {
      console.error('the new secrets cannot be used, the old ones stay in use:', error.message)
    }
  }
  const poll = async () => {
    await check()
    setTimeout(poll, everyMs).unref()
  }
  setTimeout(poll, everyMs).unref()
}
