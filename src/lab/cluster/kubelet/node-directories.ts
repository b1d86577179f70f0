import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorCode, errorMessage, Problems } from '#lib'
import { isWithin, readMounts } from '#lib/files'
import { childOf, signalProcess } from './container-process.ts'
import type { HostPrograms } from './host-programs.ts'

/** Directories of the node agent, below `root` at kubelet's places where other programs look at them. */
export interface NodeDirectories {
  root: string
  pluginsRegistry: string
  /** Root file systems of images, and the toolbox. */
  images: string
  toolbox: string
  /** Empty; a private mount, so that what a container mounts there in its own namespace stays there. */
  sandbox: string
  /** `pods/UID`. */
  ofPod(uid: string): string
  /** Parent of a CSI volume's mount point and data. */
  csiVolume(uid: string, volume: string): string
  /** A volume on disk. */
  diskVolume(uid: string, volume: string): string
  /** A volume in memory: everything with secrets, and `emptyDir` of medium Memory. */
  memoryVolume(uid: string, volume: string): string
  /** File for a container's start script, in memory. */
  script(uid: string, container: string): string
  /** Uids of the pods that have a directory. */
  podUids(): string[]
  /** Directories of a pod's CSI volumes. */
  csiVolumes(uid: string): string[]
  /** Removes a pod's directories, once its CSI volumes are unpublished. Throws while something is mounted there. */
  removePod(uid: string): void
  /** Unmounts everything below the root; the files in memory are gone then. */
  unmount(): Promise<void>
}

/**
 * Creates the directories, with the root as a shared mount: what a privileged pod mounts below it is visible on the machine and
 * in pods that start later. Processes and mounts that a killed node agent left behind are removed first; mounted CSI volumes
 * stay, because their drivers unpublish them.
 */
export async function mountNodeDirectories(root: string, programs: HostPrograms): Promise<NodeDirectories> {
  requireMountable(root)
  const pods = join(root, 'pods')
  const memory = join(root, 'memory')
  const directories: NodeDirectories = {
    root,
    pluginsRegistry: join(root, 'plugins_registry'),
    images: join(root, 'images'),
    toolbox: join(root, 'toolbox'),
    sandbox: join(memory, 'sandbox'),
    ofPod: (uid) => join(pods, uid),
    csiVolume: (uid, volume) => join(pods, uid, 'volumes/kubernetes.io~csi', volume),
    diskVolume: (uid, volume) => join(pods, uid, 'volumes/kubernetes.io~empty-dir', volume),
    memoryVolume: (uid, volume) => join(memory, 'pods', uid, volume),
    script(uid, container) {
      mkdirSync(join(memory, 'pods', uid), { recursive: true, mode: 0o755 })
      return join(memory, 'pods', uid, `${container}.sh`)
    },
    podUids: () => list(pods),
    csiVolumes: (uid) => {
      const parent = join(pods, uid, 'volumes/kubernetes.io~csi')
      return list(parent).map((name) => join(parent, name))
    },
    removePod(uid) {
      const directory = join(pods, uid)
      const mounted = readMounts().find(({ mountPoint }) => isWithin(directory, mountPoint))
      if (mounted !== undefined) throw new Error(`${mounted.mountPoint} is still mounted`)
      rmSync(directory, { recursive: true, force: true })
      rmSync(join(memory, 'pods', uid), { recursive: true, force: true })
    },
    unmount: () => unmountBelow(root, programs),
  }

  await endLeftContainers(directories.sandbox)
  const mount = async (...words: string[]) => {
    await promisify(execFile)(programs.mount, words).catch((error: { stderr?: string }) => {
      const why = error.stderr?.trim() ?? errorMessage(error)
      throw new Error(`Cannot mount below ${root}: pods need root, or a user namespace (unshare -Urm …): ${why}`)
    })
  }
  for (const path of [pods, memory, join(root, 'plugins')]) mkdirSync(path, { recursive: true, mode: 0o755 })
  const mounted = new Set(readMounts().map(({ mountPoint }) => mountPoint))
  if (!mounted.has(root)) await mount('--bind', '--make-rshared', root, root)
  if (!mounted.has(memory)) await mount('-t', 'tmpfs', '-o', 'mode=755', '--make-private', 'tmpfs', memory)
  // Written files and tokens of pods that ended with an earlier node agent.
  rmSync(join(memory, 'pods'), { recursive: true, force: true })
  mkdirSync(directories.sandbox, { recursive: true, mode: 0o755 })
  return directories
}

/** Throws for a path with characters that have a meaning in mount options. */
function requireMountable(root: string): void {
  const problems = new Problems()
  if (/[\s:,\\]/.test(root))
    problems.unexpected('kubeletRoot', root, 'a path without spaces, colons, commas and backslashes')
  problems.throwIfAny('Node agent')
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Unmounts everything below a directory, the last mount first; lazily, because a process may still have a file open. */
async function unmountBelow(root: string, programs: HostPrograms): Promise<void> {
  const below = readMounts().filter(({ mountPoint }) => isWithin(root, mountPoint))
  for (const { mountPoint } of below.reverse()) await promisify(execFile)(programs.umount, ['-l', mountPoint])
}

/**
 * Kills containers that outlived their node agent. The kernel does that when the agent dies, unless a program inside gave
 * its process other credentials. A container is recognized by its root file system, whose upper layer is the sandbox.
 */
async function endLeftContainers(sandbox: string): Promise<void> {
  const mark = `upperdir=${join(sandbox, 'upper')},`
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (!readFileSync(`/proc/${name}/mountinfo`, 'utf8').includes(mark)) continue
      signalProcess(childOf(Number(name)), 'SIGKILL')
      signalProcess(Number(name), 'SIGKILL')
    } catch {
      // The process ended, or is not ours.
    }
  }
}
