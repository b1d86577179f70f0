import { execFile } from 'node:child_process'
import { existsSync, globSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Platform, SystemContents } from './platforms.ts'

/** A file of this machine that goes into the image. */
export interface SystemFile {
  /** Where it is found in the image, as the loader or a caller looks for it. */
  path: string
  /** The file of this machine, links resolved. */
  source: string
}

/**
 * The programs that the image needs beside Node, and the libraries of both, as this machine has them.
 * Throws with the name of what is missing.
 */
export async function systemFiles({ system }: Platform, node: string): Promise<SystemFile[]> {
  const found = [...system.programs.map(findProgram), ...packetFilter(system)]
  const libraries = await librariesOf([node, ...found])
  return [...found, ...libraries].map((path) => ({ path, source: realpathSync(path) }))
}

/** Nothing on a machine without iptables: few pods need it, and the programs that do report its absence. */
function packetFilter({ optionalPrograms, filterExtensions }: SystemContents): string[] {
  const found = optionalPrograms.map((name) => `/usr/sbin/${name}`).filter(existsSync)
  // Where they look for it is compiled into them.
  const [directory] = globSync('/usr/{lib/*-linux-gnu,lib64,lib}/xtables')
  if (found.length === 0 || directory === undefined) return []
  return [...found, ...filterExtensions.map((name) => join(directory, `libxt_${name}.so`)).filter(existsSync)]
}

function findProgram(name: string): string {
  const path = [`/usr/bin/${name}`, `/bin/${name}`].find(existsSync)
  if (path === undefined)
    throw new Error(`Cannot build the image: no /usr/bin/${name} on this machine; install util-linux and findutils`)
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
