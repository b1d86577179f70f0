import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { CodedError, runProgram } from '#lib'
import { allEnded } from '#lib/async'
import { type Platform, platformOfMachine, type SystemContents } from './platforms.ts'

/** Where the image takes Node and the system programs from. */
export interface SystemRoot {
  /** A directory with the files of a system: `/`, or Debian's packages for another processor. */
  path: string
  node: string
  nodeVersion: string
  /** What comes before a program of this system on a command line. Empty where this machine runs it itself. */
  emulator: readonly string[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Packages are fetched again after this time, so that an image gets what Debian has corrected since. */
const freshForMs = 24 * 60 * 60_000

const nodeDirectory = 'node/package'

/**
 * This machine, or for another processor a directory below `directory` that is filled from the registries of npm and of this
 * machine's Debian. npm's package has the hash that `package-lock.json` in `root` has; apt verifies Debian's signatures.
 */
export async function systemRoot(
  platform: Platform,
  { directory, root, env }: { directory: string; root: string; env: Environment },
): Promise<SystemRoot> {
  if (platform === platformOfMachine()) {
    return { path: '/', node: process.execPath, nodeVersion: process.version, emulator: [] }
  }
  const emulator = platform.emulator === undefined ? [] : [findEmulator(platform.emulator, platform)]
  const locked = lockedNode(platform, root)
  const path = join(directory, `system-${platform.os}-${platform.architecture}-${locked.version}`)
  if (!isFresh(path)) await fetchSystem(platform, locked, { path, env })
  return {
    path,
    node: join(path, nodeDirectory, platform.nodePackage.file),
    nodeVersion: locked.version,
    emulator: emulator.flatMap((program) => [program, '-L', path]),
  }
}

function findEmulator(emulator: string, { name }: Platform): string {
  const path = `/usr/bin/${emulator}`
  if (existsSync(path)) return path
  throw new CodedError(
    'ImageEmulatorMissing',
    `Cannot build the image for ${name} on this machine: no ${path}, which compiles the programs of the image. Install it (apt-get install qemu-user-static), or build for this machine alone (--platform ${platformOfMachine().name})`,
  )
}

interface LockedPackage {
  version: string
  integrity: string
}

function lockedNode({ nodePackage }: Platform, root: string): LockedPackage {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage | undefined>
  }
  const locked = packages[`node_modules/${nodePackage.name}`]
  if (locked === undefined) throw new Error(`package-lock.json has no ${nodePackage.name}`)
  return locked
}

function isFresh(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs < freshForMs
}

async function fetchSystem(
  platform: Platform,
  locked: LockedPackage,
  { path, env }: { path: string; env: Environment },
): Promise<void> {
  const run = runner(env)
  mkdirSync(dirname(path), { recursive: true })
  const unfinished = mkdtempSync(join(dirname(path), 'fetching-'))
  try {
    const packages = platform.system.packages.length === 0 ? [] : [fetchPackages(platform.system, unfinished, run)]
    await allEnded([fetchNode(platform, locked, unfinished, run), ...packages])
    const now = new Date()
    utimesSync(unfinished, now, now)
    // Another process may have fetched the same meanwhile, and use it; then ours is not needed.
    if (isFresh(path)) return
    // Those of older versions of Node, too.
    const older = globSync(join(dirname(path), `system-${platform.os}-${platform.architecture}-*`))
    for (const each of older) rmSync(each, { recursive: true, force: true })
    renameSync(unfinished, path)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

async function fetchNode({ nodePackage }: Platform, locked: LockedPackage, into: string, run: Run): Promise<void> {
  const out = join(into, dirname(nodeDirectory))
  mkdirSync(out)
  await run('npm', ['pack', `${nodePackage.name}@${locked.version}`, '--pack-destination', out, '--silent'])
  const [archive = ''] = globSync(join(out, '*.tgz'))
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
  if (found !== locked.integrity) {
    throw new CodedError(
      'ImageSourceChanged',
      `npm's ${nodePackage.name}@${locked.version} is not the one of package-lock.json: its hash is ${found}, not ${locked.integrity}`,
    )
  }
  await run('tar', ['-xzf', archive, '-C', out])
  // npm's package for Windows has no licence; that of the Node that runs this is the same text.
  const licence = join(out, 'package/LICENSE')
  const own = join(dirname(dirname(process.execPath)), 'LICENSE')
  if (!existsSync(licence) && existsSync(own)) copyFileSync(own, licence)
  rmSync(archive)
}

/** The packages unpacked, and a database of them as dpkg has one, which names the package of each file. */
async function fetchPackages(system: SystemContents, into: string, run: Run): Promise<void> {
  const apt = join(into, 'apt')
  await downloadPackages(system, apt, run)
  const database = join(into, 'var/lib/dpkg')
  mkdirSync(join(database, 'info'), { recursive: true })
  writeFileSync(join(database, 'info/format'), '1\n')
  const archives = readdirSync(join(apt, 'cache/archives')).filter((name) => name.endsWith('.deb'))
  const status: string[] = []
  for (const name of archives.toSorted()) {
    const archive = join(apt, 'cache/archives', name)
    await run('dpkg-deb', ['--extract', archive, into])
    const fields = (await run('dpkg-deb', ['--field', archive])).trim()
    status.push(`${fields}\nStatus: install ok installed\n`)
    const paths = (await run('dpkg-deb', ['--contents', archive])).matchAll(/ \.(\/\S*?)\/?(?: -> \S+)?$/gm)
    // dpkg's own lists begin with `/.`.
    const list = [...paths].map(([, path]) => (path === '/' ? '/.\n' : `${path}\n`)).join('')
    writeFileSync(join(database, 'info', `${packageOf(fields)}.list`), list)
  }
  writeFileSync(join(database, 'status'), status.join('\n'))
  rmSync(apt, { recursive: true })
}

/** The name by which dpkg knows an installed package: with the processor, where several may be installed beside each other. */
function packageOf(fields: string): string {
  const field = (name: string) => new RegExp(`^${name}: (\\S+)`, 'm').exec(fields)?.[1] ?? ''
  return field('Multi-Arch') === 'same' ? `${field('Package')}:${field('Architecture')}` : field('Package')
}

/** With directories of their own: what apt knows about this machine is not touched. */
async function downloadPackages({ architecture, packages }: SystemContents, apt: string, run: Run): Promise<void> {
  if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg-deb')) {
    throw new CodedError(
      'ImagePackagesMissing',
      `The system programs for ${architecture} come from Debian's packages, and this machine has no apt-get; build on Debian, or with: docker build --platform linux/${architecture} .`,
    )
  }
  for (const directory of ['state/lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(apt, directory), { recursive: true })
  }
  writeFileSync(join(apt, 'state/status'), '')
  const settings = {
    'APT::Architecture': architecture,
    'APT::Architectures::': architecture,
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Dir::State': join(apt, 'state'),
    'Dir::State::status': join(apt, 'state/status'),
    'Dir::Cache': join(apt, 'cache'),
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  await run('apt-get', [...options, 'update'])
  await run('apt-get', [...options, 'install', '--yes', '--no-install-recommends', '--download-only', ...packages])
}

/** Runs a program and gives what it prints. Throws with the end of its error output when it fails. */
type Run = (program: string, args: readonly string[]) => Promise<string>

function runner(env: Environment): Run {
  // What npm and apt need of it: their cache and registry, proxies and trusted certificates.
  const needed = /^(?:PATH|HOME|npm_config_\w+|\w+_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(?:FILE|DIR))$/i
  const passed = Object.entries(env).filter(([name]) => needed.test(name))
  const environment = { ...Object.fromEntries(passed.map(([name, value = '']) => [name, value])), LC_ALL: 'C' }
  return async (program, args) => {
    const { status, stdout, stderr } = await runProgram({
      program,
      args,
      env: environment,
      deadlineMs: 10 * 60_000,
      maxOutputBytes: 16 * 1024 * 1024,
    })
    if (status === 0) return stdout
    const why = status === undefined ? 'there is no such program on this machine' : stderr.trim().slice(-500)
    throw new CodedError('ImageSourceFailed', `Cannot build the image: ${program} failed: ${why}`)
  }
}
