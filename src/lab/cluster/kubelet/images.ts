import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createSingleFlight } from '#lib/async'
import { parseJson, textsOf } from '#lib/formats'
import { copyWithLibraries, findProgram, type HostPrograms } from './host-programs.ts'

/** The root file system that stands for a container image. */
export interface Image {
  id: string
  /** Directories that make up the root, the uppermost first. Containers write to a layer of their own. */
  layers: string[]
  /** Directories of the machine that are seen read-only at the same path. */
  hostDirectories: string[]
  /** The command of a container that has none (`ENTRYPOINT` of a Dockerfile). */
  entrypoint: string[]
  /** The arguments of a container that has neither command nor arguments (`CMD`). */
  defaultArgs: string[]
  /** Variables of containers that do not set them (`ENV`). */
  environment: Readonly<Record<string, string>>
  /** One sentence for the pod's events. */
  description: string
}

export interface Images {
  /** Throws when the image's directory is missing or its `.entrypoint` is not a list of words. */
  find(name: string): Promise<Image>
}

export interface ImagesOptions {
  /** Directory for the root file systems that are created here. */
  directory: string
  /**
   * Image name → directory with its root file system, in which `.entrypoint` may hold a JSON array. A name without a tag
   * stands for all tags, and `*\/` in front of it for all registries and paths.
   */
  given: ReadonlyMap<string, string>
  /** Directory that lies over every given image; `.environment` in it may hold a JSON object of variables. Default: none. */
  overlay?: string | undefined
  programs: HostPrograms
}

/**
 * There is neither a registry nor a container image: a name is mapped to a root file system. Given names have a directory of
 * their own; `busybox` is the machine's busybox; all other images are the machine's own programs, read-only.
 */
export function createImages({ directory, given, overlay, programs }: ImagesOptions): Images {
  const singly = createSingleFlight<string>()
  const made = new Map<string, string>()
  const make = (name: string, build: (root: string) => Promise<void>) =>
    singly(name, async () => {
      const root = join(directory, name)
      if (made.has(name)) return root
      rmSync(root, { recursive: true, force: true })
      mkdirSync(root, { recursive: true, mode: 0o755 })
      await build(root)
      made.set(name, root)
      return root
    })
  const base = () => make('base', async (root) => buildBase(root))

  return {
    async find(name) {
      const path = findGiven(given, name)
      if (path !== undefined) return givenImage(name, path, { base: await base(), overlay })
      const busybox = findProgram('busybox')
      if (name.includes('busybox') && busybox !== undefined) {
        const root = await make('busybox', (target) => buildBusybox(target, busybox, programs))
        return {
          id: 'machine://busybox',
          layers: [await base(), root],
          hostDirectories: [],
          entrypoint: [],
          defaultArgs: ['sh'],
          environment: {},
          description: `Container image "${name}" is made of this machine's busybox`,
        }
      }
      const root = await make('host', async (target) => buildHost(target))
      const missing = name.includes('busybox') ? '; this machine has no busybox (Debian: busybox-static)' : ''
      return {
        id: 'machine://host',
        layers: [await base(), root],
        hostDirectories: systemDirectories.filter((entry) => existsSync(entry) && !lstatSync(entry).isSymbolicLink()),
        entrypoint: [],
        defaultArgs: [],
        environment: {},
        description: `Container image "${name}" is made of this machine's own /usr, /bin and /lib, read-only${missing}`,
      }
    },
  }
}

function findGiven(given: ReadonlyMap<string, string>, name: string): string | undefined {
  const repository = name.replace(/(:[^:/@]+)?(@[^/]*)?$/, '')
  return given.get(name) ?? given.get(repository) ?? given.get(`*/${repository.split('/').at(-1)}`)
}

function givenImage(
  name: string,
  path: string,
  { base, overlay }: { base: string; overlay: string | undefined },
): Image {
  if (!existsSync(path)) throw new Error(`Image "${name}": its root file system ${path} does not exist`)
  const entrypoint = readSettings(join(path, '.entrypoint')) ?? []
  if (!Array.isArray(entrypoint) || !entrypoint.every((word) => typeof word === 'string')) {
    throw new Error(`Image "${name}": ${path}/.entrypoint must hold a JSON array of strings`)
  }
  const hasOverlay = overlay !== undefined && existsSync(overlay)
  return {
    id: `machine://${path}`,
    layers: hasOverlay ? [overlay, base, path] : [base, path],
    hostDirectories: [],
    entrypoint,
    defaultArgs: [],
    environment: hasOverlay ? textsOf(readSettings(join(overlay, '.environment'))) : {},
    description: `Container image "${name}" already present on machine`,
  }
}

/** The JSON in a file of an image; undefined when there is no such file. */
function readSettings(file: string): unknown {
  return existsSync(file) ? parseJson(file, readFileSync(file)) : undefined
}

const systemDirectories = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']
const worldWritable = 0o1777

/** What every container has, whatever its image: mount points, and the configuration of the resolver. */
function buildBase(root: string): void {
  for (const name of ['proc', 'dev/pts', 'dev/shm', 'sys', 'etc', 'tmp'])
    mkdirSync(join(root, name), { recursive: true })
  chmodSync(join(root, 'tmp'), worldWritable)
  for (const device of deviceNames) writeFileSync(join(root, 'dev', device), '')
  for (const [name, target] of Object.entries(deviceLinks)) symlinkSync(target, join(root, 'dev', name))
  for (const name of ['hosts', 'resolv.conf']) {
    const from = join('/etc', name)
    writeFileSync(join(root, 'etc', name), existsSync(from) ? readFileSync(from) : '')
  }
}

/** Device nodes of a container, bound from the machine's. */
export const deviceNames = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const
const deviceLinks = {
  fd: '/proc/self/fd',
  stdin: '/proc/self/fd/0',
  stdout: '/proc/self/fd/1',
  stderr: '/proc/self/fd/2',
  ptmx: 'pts/ptmx',
}

async function buildBusybox(root: string, busybox: string, programs: HostPrograms): Promise<void> {
  await copyWithLibraries(programs.ldd, busybox, root, '/bin/busybox')
  const { stdout } = await promisify(execFile)(busybox, ['--list'])
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')
  for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet))
  buildCommon(root)
}

/** The machine's own programs without its files: `/etc` is generated, everything else is empty at first. */
function buildHost(root: string): void {
  buildCommon(root)
  for (const path of systemDirectories.filter((entry) => existsSync(entry))) {
    if (lstatSync(path).isSymbolicLink()) symlinkSync(readlinkSync(path), join(root, path))
    else mkdirSync(join(root, path))
  }
  for (const path of ['mnt', 'media', 'opt', 'srv', 'var/lib', 'var/log', 'var/cache'])
    mkdirSync(join(root, path), { recursive: true })
  // Links of /etc/alternatives make commands such as awk; the CA bundle is public.
  const copied = [
    'alternatives',
    'ld.so.cache',
    'nsswitch.conf',
    'ssl/certs/ca-certificates.crt',
    'services',
    'protocols',
  ]
  for (const name of copied.filter((entry) => existsSync(join('/etc', entry))))
    cpSync(join('/etc', name), join(root, 'etc', name), { recursive: true, verbatimSymlinks: true })
  symlinkSync('../usr/lib/os-release', join(root, 'etc/os-release'))
}

function buildCommon(root: string): void {
  for (const path of ['etc', 'home', 'root', 'run', 'var/tmp', 'tmp']) mkdirSync(join(root, path), { recursive: true })
  chmodSync(join(root, 'root'), 0o700)
  for (const path of ['tmp', 'var/tmp']) chmodSync(join(root, path), worldWritable)
  symlinkSync('../run', join(root, 'var/run'))
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n')
}
