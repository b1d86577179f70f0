import { existsSync, lstatSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { orUndefined } from '#lib'
import { isWithin } from '#lib/files'
import { PodConfigError } from './pod-fields.ts'

/** kubelet's root directory on every other node, which manifests name. */
const standardKubeletRoot = '/var/lib/kubelet'

/** Directories that every node has. */
const nodeDirectories = ['etc/kubernetes', 'opt', 'run', 'tmp', 'var/lib', 'var/log']

/**
 * The file system of the node, as `hostPath` volumes name it. It is not the machine's: a path leads into the state directory
 * of the cluster, so that no pod reads or writes the machine's own files. Paths in the state directory lead to themselves.
 */
export interface HostPaths {
  /** Where a path of the node is on the machine. Throws {@link PodConfigError} when a link on the way leads out of the node. */
  onMachine(path: string): string
  /** The path of the node by which a CSI driver reaches a path below kubelet's root. `endpoint` is the driver's socket, as it registered it. */
  forDriver(endpoint: string, path: string): string
}

export interface HostPathOptions {
  /** State directory of the cluster. */
  stateDir: string
  /** The node agent's counterpart of /var/lib/kubelet. */
  kubeletRoot: string
}

/** Creates the directories that every node has. */
export function createHostPaths({ stateDir, kubeletRoot }: HostPathOptions): HostPaths {
  const root = join(stateDir, 'node')
  for (const name of nodeDirectories) mkdirSync(join(root, name), { recursive: true, mode: 0o755 })
  if (!existsSync(join(root, 'var/run'))) symlinkSync('../run', join(root, 'var/run'))
  const realStateDir = realpathSync(stateDir)
  const place = (path: string) => {
    if (isWithin(stateDir, path)) return path
    if (isWithin(standardKubeletRoot, path)) return join(kubeletRoot, relative(standardKubeletRoot, path))
    return join(root, path)
  }
  return {
    onMachine(path) {
      const real = tryWithoutLinks(place(normalize(path)))
      if (real !== undefined && isWithin(realStateDir, real)) return real
      throw new PodConfigError(`hostPath ${path} leads out of the node through a symbolic link`)
    },
    forDriver: (endpoint, path) =>
      isWithin(standardKubeletRoot, endpoint) ? join(standardKubeletRoot, relative(kubeletRoot, path)) : path,
  }
}

function tryWithoutLinks(path: string): string | undefined {
  return orUndefined(() => withoutLinks(path))
}

/** The path with all links resolved, as far as it exists. Throws for a link to a file that does not exist. */
function withoutLinks(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path)
  const parent = dirname(path)
  return parent === path ? path : join(withoutLinks(parent), path.slice(parent.length))
}
