import { execFile } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, realpathSync, rmSync, statfsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { errorCode, errorMessage } from '#lib'
import { parseMounts } from '#lib/files'
import type { Mounter } from './mounter.ts'

const run = promisify(execFile)

/** Several mounts may be stacked on one path after a crash between two drivers; more than this is another program's doing. */
const maxStacked = 8

/** A mounter that can also list. */
export interface LinuxMounter extends Mounter {
  /** Every path at which a tmpfs is mounted. */
  mounted(): Promise<ReadonlySet<string>>
}

/** tmpfs by the system's `mount` and `umount`, which follow the kernel's rules for us. */
export function createLinuxMounter(): LinuxMounter {
  return {
    async resolve(targetPath) {
      mkdirSync(dirname(targetPath), { recursive: true, mode: 0o750 })
      const target = canonical(targetPath)
      isDirectory(target)
      return target
    },

    async existing(targetPath) {
      if (!existsSync(dirname(targetPath))) return undefined
      const target = canonical(targetPath)
      return isDirectory(target) ? target : undefined
    },

    async mounted() {
      const table = parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
      return new Set(table.filter(({ fsType }) => fsType === 'tmpfs').map(({ mountPoint }) => mountPoint))
    },

    mountedAmong: async (targets) => new Set(targets.filter(isTmpfsRoot)),

    isMounted: async (target) => isTmpfsRoot(target),

    async mount(target, { sizeBytes }) {
      mkdirSync(target, { recursive: true, mode: 0o750 })
      const flags = `nosuid,nodev,noexec,mode=0755,size=${sizeBytes}`
      await command('mount', ['-t', 'tmpfs', '-o', flags, 'tmpfs', target])
    },

    async unmount(target) {
      for (let i = 0; i < maxStacked; i++) {
        if (!isTmpfsRoot(target)) return
        empty(target)
        await command('umount', [target])
      }
      throw new Error(`${target} is still mounted after ${maxStacked} unmounts`)
    },
  }
}

/** f_type of statfs(2) */
const tmpfsMagic = 0x01021994

/**
 * Whether a tmpfs is mounted exactly here: each has a device number of its own, so it differs from its parent's. Asked for
 * every call of kubelet, and so not by the table of mounts, which is long on a full node: parsing it cost half a megabyte.
 */
function isTmpfsRoot(path: string): boolean {
  const own = lstatSync(path, { throwIfNoEntry: false })
  if (own?.isDirectory() !== true || own.dev === lstatSync(dirname(path)).dev) return false
  return statfsSync(path).type === tmpfsMagic
}

function canonical(path: string): string {
  return join(realpathSync(dirname(path)), basename(path))
}

/** False when nothing is there; throws when something else is. */
function isDirectory(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isDirectory()) throw new Error(`${path} is in the way: not a directory`)
  return stat !== undefined
}

async function command(program: string, args: string[]): Promise<void> {
  try {
    await run(program, args, { timeout: 30_000, env: { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } })
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw new Error(`the program "${program}" is missing`)
    const stderr = typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new Error(`${program} failed: ${stderr === '' ? errorMessage(error) : stderr}`, { cause: error })
  }
}

/** A container that lingers may hold the file system beyond the unmount; the secrets must not live on in it. */
function empty(target: string): void {
  try {
    for (const name of readdirSync(target)) rmSync(join(target, name), { recursive: true, force: true })
  } catch {
    // The unmount that follows is what counts.
  }
}
