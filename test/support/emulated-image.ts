import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { buildRootfs, entrypoint, platformNamed } from '#packaging/image'
import { imageCache } from './run-cli.ts'

/** The image of another processor, run by an emulator: also the programs that its programs start. */
export interface EmulatedImage {
  rootfs: string
  /** Words before a command of the image: namespaces of its own with the image as root, and this machine's temporary files. */
  within: readonly string[]
  /** What a container of the image starts with. */
  command: readonly string[]
  /** Runs a program of the image and gives what it prints. */
  run(words: readonly string[], input?: string): string
}

const emulator = '/usr/bin/qemu-aarch64-static'
// An ELF program of 64 bits for machine 183. https://docs.kernel.org/admin-guide/binfmt-misc.html
const magic = String.raw`\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`
const mask = String.raw`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`

// The kernel's list of such programs belongs to the user namespace since Linux 6.7: that of this machine stays as it is.
const register = `
set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' ':arm64:M::${magic}:${mask}:${emulator}:F' >/proc/sys/fs/binfmt_misc/register
`
const enter = `${register}
root=$1 shared=$2
shift 2
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root$shared"
mount --rbind "$shared" "$root$shared"
exec chroot "$root" "$@"
`
const namespaces = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c']

/** Options of a test that runs the image for arm64 on a machine with another processor. */
export function needsEmulator(): { skip?: string } {
  if (process.arch === 'arm64') return { skip: 'this machine runs the image for arm64 itself' }
  if (!existsSync(emulator)) return { skip: `no ${emulator}: apt-get install qemu-user-static` }
  const [program = '', ...words] = [...namespaces, register]
  const { status } = spawnSync(program, words)
  return status === 0 ? {} : { skip: 'this kernel has no binfmt_misc for user namespaces (Linux 6.7)' }
}

export async function emulatedImage(): Promise<EmulatedImage> {
  const { path: rootfs } = await buildRootfs(imageCache, { platform: platformNamed('linux/arm64'), env: process.env })
  const within = [...namespaces, enter, 'enter', rootfs, tmpdir()]
  const [program = '', ...words] = within
  return {
    rootfs,
    within,
    command: entrypoint,
    run: (command, input = '') => execFileSync(program, [...words, ...command], { encoding: 'utf8', input }),
  }
}
