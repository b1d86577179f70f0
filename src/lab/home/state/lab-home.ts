import { join } from 'node:path'
import { makeDirectories } from '#lib/files'
import { CliError } from '#terminal'

/** The state directory of one lab, and what is where in it. Several labs can exist side by side, each in its own directory. */
export interface LabHome {
  root: string
  /** What makes a command use this lab: ` --home DIR`, or nothing where it is the default of the user's shell. */
  option: string
  /** What `up` was asked for and which ports it took. */
  stateFile: string
  logs: string
  /** Process ids and ready lines of running programs. */
  run: string
  azure: string
  cluster: string
  /** Sockets of the providers on the local cluster. */
  providers: string
  /** `AZURE_CONFIG_DIR`. */
  azureCli: string
  /** `KUBECONFIG`: the lab's own cluster, and those that az merges into it. */
  kubeconfig: string
  /** The system's certificates and the lab's. */
  caBundle: string
  /** The CA of the cluster that a kubeconfig named, or of the first local one. */
  clusterCa: string
  /** Which managed cluster the cluster of a kubeconfig backs. */
  userCluster: string
}

/** A socket path has room for 107 bytes (unix(7)); the longest one below a home is kubelet's registration socket of the first cluster. */
const longestSocket = 'cluster/kubelet/plugins_registry/secrets-store.csi.k8s.io-reg.sock'
const longestSocketPath = 107

/**
 * Where things are below `root` (absolute). Throws {@link CliError} when sockets below it could not be made.
 *
 * @param option {@link LabHome.option}
 */
export function labHome(root: string, option = ''): LabHome {
  const room = longestSocketPath - longestSocket.length - 1
  if (Buffer.byteLength(root) > room) {
    throw new CliError({
      what: `The state directory ${root} cannot be used`,
      why: `its path has ${Buffer.byteLength(root)} bytes; the sockets in it allow for ${room}`,
      fix: ['choose a shorter one: --home DIR, or the variable KEYMOUNT_HOME'],
    })
  }
  return {
    root,
    option,
    stateFile: join(root, 'lab.json'),
    logs: join(root, 'logs'),
    run: join(root, 'run'),
    azure: join(root, 'azure'),
    cluster: join(root, 'cluster'),
    providers: join(root, 'providers'),
    azureCli: join(root, 'az'),
    kubeconfig: join(root, 'kubeconfig'),
    caBundle: join(root, 'ca-bundle.crt'),
    clusterCa: join(root, 'cluster-ca.crt'),
    userCluster: join(root, 'user-cluster.json'),
  }
}

/** Creates the directories that the command line itself writes to; readable by their owner only. */
export function createLabHome(home: LabHome): void {
  for (const directory of [home.root, home.logs, home.run, home.azureCli]) {
    makeDirectories(directory, 0o700)
  }
}
