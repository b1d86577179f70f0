import { execFile } from 'node:child_process'
import { existsSync, globSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { allEnded } from '#lib/async'
import type { Platform, SystemContents } from './platforms.ts'
import type { SystemRoot } from './system-root.ts'

/** A file of the system that goes into the image. */
export interface SystemFile {
  /** Where it is found in the image, as the loader or a caller looks for it. */
  path: string
  /** The file itself, links resolved. */
  source: string
}

/**
 * The programs that the image needs beside Node, and the libraries of both, as a system has them.
 * Throws with the name of what is missing.
 */
export async function systemFiles({ system }: Platform, from: SystemRoot): Promise<SystemFile[]> {
  if (system.programs.length === 0) return []
  const found = [...system.programs.map((name) => findProgram(name, from)), ...packetFilter(system, from)]
  const libraries = await librariesOf([from.node, ...found.map((path) => join(from.path, path))], system, from)
  return [...found, ...libraries].map((path) => ({ path, source: realpathSync(join(from.path, path)) }))
}

/** Nothing on a machine without iptables: few pods need it, and the programs that do report its absence. */
function packetFilter({ optionalPrograms, filterExtensions }: SystemContents, { path: root }: SystemRoot): string[] {
  const exists = (path: string) => existsSync(join(root, path))
  const found = optionalPrograms.map((name) => `/usr/sbin/${name}`).filter(exists)
  // Where they look for it is compiled into them.
  const [directory] = globSync('usr/{lib/*-linux-gnu,lib64,lib}/xtables', { cwd: root })
  if (found.length === 0 || directory === undefined) return []
  return [...found, ...filterExtensions.map((name) => join('/', directory, `libxt_${name}.so`)).filter(exists)]
}

function findProgram(name: string, { path: root }: SystemRoot): string {
  const path = [`/usr/bin/${name}`, `/bin/${name}`].find((each) => existsSync(join(root, each)))
  if (path === undefined)
    throw new Error(`Cannot build the image: no ${join(root, 'usr/bin', name)}; install util-linux and findutils`)
  return path
}

/** Paths of the shared libraries that ldd(1), or the loader of another processor, reports for these programs, the loader included. */
async function librariesOf(
  binaries: readonly string[],
  { loader }: SystemContents,
  { path: root, emulator }: SystemRoot,
): Promise<string[]> {
  const [emulate, ...options] = emulator
  const runs =
    emulate === undefined
      ? [run('ldd', binaries)]
      : binaries.map((binary) => run(emulate, [...options, join(root, loader), '--list', binary]))
  const listed = (await allEnded(runs)).join('')
  const missing = /^\s*(\S+) => not found/m.exec(listed)
  if (missing !== null) throw new Error(`Cannot build the image: library ${missing[1]} is missing`)
  const paths = [...listed.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(0x/gm)].map((match) => match[1] ?? '')
  return [...new Set([loader, ...paths.filter((path) => !path.endsWith(loader))])].toSorted()
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args).catch((cause: unknown) => {
    throw new Error(`Cannot build the image: ${program} cannot list the libraries of ${args.at(-1)}`, { cause })
  })
  return stdout
}
