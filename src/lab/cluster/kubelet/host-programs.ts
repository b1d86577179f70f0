import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Problems } from '#lib'

const directories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** The programs that create pods, and the Debian package of each. */
const packages = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  pivot_root: 'util-linux',
  mount: 'mount',
  umount: 'mount',
  script: 'bsdutils',
  stty: 'coreutils',
  mkdir: 'coreutils',
  rmdir: 'coreutils',
  env: 'coreutils',
  hostname: 'hostname',
  sh: 'dash',
  ldd: 'libc-bin',
} as const

/** Absolute path of each program of this machine that the node agent runs. */
export type HostPrograms = Record<keyof typeof packages, string>

/** Absolute path of a program, or undefined. Looks in the system's directories only, whatever the user's PATH is. */
export function findProgram(name: string): string | undefined {
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path))
}

/** Throws `ProblemsError` that names every missing program and its package. */
export function findHostPrograms(): HostPrograms {
  const problems = new Problems()
  const found = Object.entries(packages).map(([name, from]) => {
    const path = findProgram(name)
    if (path === undefined) problems.add(name, `not found; install the package ${from}`)
    return [name, path ?? '']
  })
  problems.throwIfAny('Programs that the node agent needs')
  return Object.fromEntries(found) as HostPrograms
}

/** Shared libraries of programs with their loader, as absolute paths; none for a static program, which ldd rejects. */
async function librariesOf(ldd: string, ...programs: string[]): Promise<string[]> {
  const output = await promisify(execFile)(ldd, programs).catch((error: { stdout?: string }) => error)
  const paths = [...(output.stdout ?? '').matchAll(/(?:^|\s)(\/\S+) \(0x/gm)].map((match) => match[1] ?? '')
  return [...new Set(paths)]
}

/**
 * Programs of this machine in one directory with their libraries, so that they run where the machine's own files cannot be
 * seen: a process keeps this directory as its working directory across pivot_root(2) and setns(2).
 */
export interface Toolbox {
  directory: string
  /** The words that run a program of the toolbox, for a process whose working directory it is. */
  command(program: ToolboxProgram): string[]
}

const toolboxPrograms = ['mount', 'umount', 'mkdir', 'rmdir', 'env', 'setpriv'] as const
export type ToolboxProgram = (typeof toolboxPrograms)[number]

export async function createToolbox(directory: string, programs: HostPrograms): Promise<Toolbox> {
  // Removed first: a program that still runs cannot be overwritten.
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const tools = toolboxPrograms.map((name) => programs[name])
  const libraries = await librariesOf(programs.ldd, ...tools)
  for (const path of [...tools, ...libraries]) copyFileSync(realpathSync(path), join(directory, basename(path)))
  const loader = libraries.map((path) => basename(path)).find((name) => name.startsWith('ld-'))
  const prefix = loader === undefined ? [] : [`./${loader}`, '--library-path', '.']
  return { directory, command: (program) => [...prefix, `./${program}`] }
}

/** Copies a program to `target` in a root file system, and its libraries to the paths where it looks for them. */
export async function copyWithLibraries(ldd: string, program: string, root: string, target: string): Promise<void> {
  const copies = [[program, target], ...(await librariesOf(ldd, program)).map((path) => [path, path])]
  for (const [from = '', to = ''] of copies) {
    mkdirSync(join(root, dirname(to)), { recursive: true })
    copyFileSync(realpathSync(from), join(root, to))
  }
}
