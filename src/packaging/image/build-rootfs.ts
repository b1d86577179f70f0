import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { rootCertificates } from 'node:tls'
import { errorCode } from '#lib'
import { allEnded } from '#lib/async'
import { bundlePrograms, compilePrograms } from './build-bundles.ts'
import { buildRelay } from './build-relay.ts'
import { contentHash } from './content-hash.ts'
import { proxyCommand } from './image-config.ts'
import { type Platform, platformOfMachine, type Skeleton } from './platforms.ts'
import { emptyHive } from './registry-hive.ts'
import { removeOldRootfs } from './remove-old-rootfs.ts'
import { sbom } from './sbom.ts'
import { copyStripped } from './strip-elf.ts'
import { type SystemFile, systemFiles } from './system-files.ts'
import { type Environment, type SystemRoot, systemRoot } from './system-root.ts'
import { licencesText, type ThirdParty, thirdParties } from './third-party.ts'

export interface RootfsOptions {
  /** Directory of the package. Default: the one this file belongs to. */
  root?: string
  /** Default: that of this machine. */
  platform?: Platform | undefined
  /** For npm and apt, which fetch what another platform needs: PATH, HOME, proxies, npm's settings. Default: empty. */
  env?: Environment | undefined
}

export interface Rootfs {
  /** Directory of the root file system. Its `.entrypoint` holds the command as a JSON array. */
  path: string
  /** Hash of all that it was made of. */
  hash: string
  /** Whether it was there already. */
  cached: boolean
}

/**
 * The image's root file system as a directory below `directory`, one per content hash: built when sources, dependencies or
 * the machine's files have changed, else found in well under 100 ms. May be called by several processes at once.
 */
export async function buildRootfs(directory: string, options: RootfsOptions = {}): Promise<Rootfs> {
  const { root = dirname(dirname(dirname(import.meta.dirname))), platform = platformOfMachine(), env = {} } = options
  const system = await systemRoot(platform, { directory, root, env })
  const files = await systemFiles(platform, system)
  const hash = contentHash(root, system.node, files)
  const path = join(directory, `rootfs-${hash}`)
  const cached = existsSync(path)
  if (!cached) {
    mkdirSync(directory, { recursive: true })
    const unfinished = mkdtempSync(join(directory, 'building-'))
    try {
      await populate(unfinished, { root, platform, system, directory, files, env })
      putInPlace(unfinished, path)
    } finally {
      rmSync(unfinished, { recursive: true, force: true })
    }
  }
  const now = new Date()
  utimesSync(path, now, now)
  removeOldRootfs(directory)
  return { path, hash, cached }
}

interface Contents {
  root: string
  platform: Platform
  system: SystemRoot
  directory: string
  files: readonly SystemFile[]
  env: Environment
}

async function populate(rootfs: string, contents: Contents): Promise<void> {
  const { root, platform, system, directory, files } = contents
  const program = join(rootfs, platform.program)
  const nodeOfImage = join(rootfs, platform.node)
  const programs = async () => {
    // Files of 100 MiB are copied synchronously, so esbuild has its request before that.
    await import('esbuild')
    await setImmediate()
    makeSkeleton(rootfs, platform.skeleton)
    if (platform.os === 'windows') copyProgram(system.node, nodeOfImage)
    else linkOrCopy(strippedNode(system.node, directory), nodeOfImage)
    for (const { path, source } of files) copyProgram(source, join(rootfs, path))
  }
  const [, { inputs }] = await allEnded([programs(), bundlePrograms({ root, out: program })])
  const ofPlatform = platform.os === 'windows' ? addWindowsParts : addLinuxParts
  const [others, more] = await allEnded([
    thirdParties({ root, inputs, system, files }),
    ofPlatform(rootfs, { ...contents, program, nodeOfImage }),
  ])
  const all = [...others, ...more]
  copyFileSync(join(root, 'LICENSE'), join(program, 'LICENSE'))
  writeFileSync(join(program, 'THIRD-PARTY-LICENSES'), licencesText(all))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  writeFileSync(join(program, 'sbom.cdx.json'), `${JSON.stringify(sbom(version, all), null, 2)}\n`)
  writeFileSync(join(rootfs, '.entrypoint'), `${JSON.stringify(platform.command.entrypoint)}\n`)
}

interface Parts extends Contents {
  program: string
  nodeOfImage: string
}

async function addLinuxParts(rootfs: string, { program, nodeOfImage, system }: Parts): Promise<ThirdParty[]> {
  await compilePrograms({ out: program, node: nodeOfImage, emulator: system.emulator })
  writeFileSync(join(rootfs, proxyCommand.path), proxyCommand.text, { mode: 0o755 })
  chmodSync(join(rootfs, 'tmp'), 0o1777)
  return []
}

/** Nothing is compiled ahead: this machine does not run programs of Windows. */
async function addWindowsParts(rootfs: string, { root, program, env }: Parts): Promise<ThirdParty[]> {
  for (const name of ['DEFAULT', 'SAM', 'SECURITY', 'SOFTWARE', 'SYSTEM'])
    writeFileSync(join(rootfs, 'Files/Windows/System32/config', name), emptyHive(name))
  return [await buildRelay({ source: join(root, 'src/packaging/image/relay'), out: join(program, 'relay.exe'), env })]
}

/** The directories, links and configuration of the platform. */
function makeSkeleton(rootfs: string, { directories, links, files, certificates }: Skeleton): void {
  chmodSync(rootfs, 0o755)
  for (const name of directories) mkdirSync(join(rootfs, name), { recursive: true })
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(rootfs, name))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(rootfs, name), text)
  writeFileSync(join(rootfs, certificates), `${rootCertificates.join('\n')}\n`)
}

/** Node without its symbols, kept beside the root file systems so that all of them share one file, on disk and in memory. */
function strippedNode(node: string, directory: string): string {
  const { size, mtimeMs } = statSync(node)
  const path = join(directory, `node-${size}-${Math.trunc(mtimeMs)}`)
  if (!existsSync(path)) {
    const unfinished = `${path}.${process.pid}`
    copyStripped(node, unfinished)
    renameSync(unfinished, path)
  }
  return path
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch {
    copyProgram(from, to)
  }
}

/** Without the set-user-id bit that `mount` has: every process in the container is root. */
function copyProgram(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
  chmodSync(to, 0o755)
}

/** Another process may have built the same meanwhile; then ours is not needed. */
function putInPlace(unfinished: string, path: string): void {
  try {
    renameSync(unfinished, path)
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error
  }
}
