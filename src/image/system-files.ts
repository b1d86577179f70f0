import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { promisify } from 'node:util'

/** A file of this machine that goes into the image. */
export interface SystemFile {
  /** Where it is found in the image, as the loader or a caller looks for it. */
  path: string
  /** The file of this machine, links resolved. */
  source: string
}

/** The driver mounts and unmounts tmpfs with them. */
const programs = ['mount', 'umount']

/**
 * The programs that the image needs beside Node, and the libraries of both, as this machine has them.
 * Throws with the name of what is missing.
 */
export async function systemFiles(node: string): Promise<SystemFile[]> {
  const found = programs.map(findProgram)
  const libraries = await librariesOf([node, ...found])
  return [...found, ...libraries].map((path) => ({ path, source: realpathSync(path) }))
}

function findProgram(name: string): string {
  const path = [`/usr/bin/${name}`, `/bin/${name}`].find(existsSync)
  if (path === undefined)
    throw new Error(`Cannot build the image: no /usr/bin/${name} on this machine; install util-linux`)
  return path
}

/** Paths of the shared libraries that ldd(1) reports for these programs, the loader included. */
async function librariesOf(binaries: readonly string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ldd', binaries).catch((cause: unknown) => {
    throw new Error(`Cannot build the image: ldd cannot list the libraries of ${binaries.join(', ')}`, { cause })
  })
  const missing = /^\s*(\S+) => not found/m.exec(stdout)
  if (missing !== null) throw new Error(`Cannot build the image: library ${missing[1]} is not on this machine`)
  const paths = [...stdout.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map((match) => match[1] ?? '')
  return [...new Set(paths)].toSorted()
}
