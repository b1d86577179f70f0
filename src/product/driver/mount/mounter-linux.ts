import { lstatSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { runProgram } from '#lib'
import { parseMounts } from '#lib/files'
import { inodeBytes } from './memory-budget.ts'
import { createMountHelpers, HelperUnavailable, type MountHelpers } from './mount-helpers.ts'
import type { Mounter } from './mounter.ts'
import { existingTarget, resolveTarget } from './target-directory.ts'

/** A crash between two drivers may leave several mounts on one path; more than this are another program's. */
const maxStacked = 8

interface State {
  /** Until a mount shows that the kernel, or the user namespace, does not allow it. */
  noswap: boolean
  helpers: MountHelpers
}

/** tmpfs by the system's `mount` and `umount`, which know the kernel's rules. */
export function createLinuxMounter(): Mounter {
  const state: State = { noswap: true, helpers: createMountHelpers() }
  return {
    resolve: resolveTarget,

    existing: existingTarget,

    async mounted() {
      const table = parseMounts(await readFile('/proc/self/mountinfo', 'utf8'))
      return new Set(table.filter(({ fsType }) => fsType === 'tmpfs').map(({ mountPoint }) => mountPoint))
    },

    mountedAmong: async (targets) => new Set(targets.filter(isTmpfsRoot)),

    isMounted: async (target) => isTmpfsRoot(target),

    async mount(target, { sizeBytes }) {
      mkdirSync(target, { recursive: true, mode: 0o750 })
      await mountTmpfs(state, target, `nosuid,nodev,noexec,mode=0755,size=${sizeBytes}`)
    },

    async makeRoom(target, bytes) {
      const { blocks, bavail, bsize } = statfsSync(target)
      if (bavail * bsize >= bytes) return
      const used = (blocks - bavail) * bsize
      // For the next version too: a switch needs room for the old files and the new ones.
      await command('mount', ['-o', `remount,size=${used + 2 * bytes}`, target])
    },

    async memoryOf(target) {
      const { blocks, bfree, bsize, files, ffree } = statfsSync(target)
      return (blocks - bfree) * bsize + (files - ffree) * inodeBytes
    },

    async unmount(target) {
      for (let i = 0; i < maxStacked; i++) {
        if (!isTmpfsRoot(target)) return
        empty(target)
        await umount(state, target)
      }
      throw new Error(`${target} is still mounted after ${maxStacked} unmounts`)
    },
  }
}

/** Secrets must not reach a swap partition. Linux 6.4 and later can promise that, except in a user namespace. */
async function mountTmpfs(state: State, target: string, options: string): Promise<void> {
  const mount = async (more: string) => {
    const words = ['-t', 'tmpfs', '-o', `${options}${more}`, 'tmpfs', target] as const
    try {
      await state.helpers.mount(words)
    } catch (error) {
      if (!(error instanceof HelperUnavailable)) throw error
      // It may have mounted before it ended.
      if (!isTmpfsRoot(target)) await command('mount', words)
    }
  }
  if (!state.noswap) return mount('')
  try {
    await mount(',noswap')
  } catch {
    await mount('')
    state.noswap = false
  }
}

async function umount({ helpers }: State, target: string): Promise<void> {
  try {
    await helpers.unmount(target)
  } catch (error) {
    if (!(error instanceof HelperUnavailable)) throw error
    if (isTmpfsRoot(target)) await command('umount', [target])
  }
}

/** f_type of statfs(2) */
const tmpfsMagic = 0x01021994

/**
 * Whether a tmpfs is mounted exactly here: each has a device number of its own, so it differs from its parent's. Every call
 * of kubelet asks this, so it is not read from the table of mounts, which is long on a full node: parsing it took half a
 * megabyte.
 */
function isTmpfsRoot(path: string): boolean {
  const own = lstatSync(path, { throwIfNoEntry: false })
  if (own?.isDirectory() !== true || own.dev === lstatSync(dirname(path)).dev) return false
  return statfsSync(path).type === tmpfsMagic
}

async function command(program: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await runProgram({ program, args, env: { LC_ALL: 'C' } })
  if (status === undefined) throw new Error(`the program "${program}" is missing`)
  if (status !== 0) throw new Error(`${program} failed: ${stderr.trim() || `exit status ${status}`}`)
}

/** A container that still runs may hold the file system beyond the unmount; the secrets must not live on in it. */
function empty(target: string): void {
  try {
    for (const name of readdirSync(target)) rmSync(join(target, name), { recursive: true, force: true })
  } catch {
    // The unmount that follows is what counts.
  }
}
