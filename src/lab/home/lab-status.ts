import { existsSync } from 'node:fs'
import {
  createKubeClient,
  isNotFound,
  type KubeClient,
  resources,
  type SecretProviderClassPodStatus,
  statusAnnotations,
} from '#kubernetes/client'
import { errorMessage } from '#lib'
import type { CliWorld } from '#terminal'
import { managedName, numberedPlaces } from './clusters/cluster-place.ts'
import { readKubeconfig } from './clusters/read-kubeconfig.ts'
import { findBackground } from './processes/background.ts'
import { findLocalAzure, findLocalCluster, type LocalCluster, networkOf } from './processes/lab-programs.ts'
import { type ProductDeployment, productDeployments } from './product/product-deployments.ts'
import { isWorking, type ProductPod, productNamespace, productStatus } from './product/product-status.ts'
import type { LabHome } from './state/lab-home.ts'
import { type LabState, readLabState } from './state/lab-state.ts'

/** What is running of a lab. */
export interface LabStatus {
  home: string
  /** `up`: everything works. `partly`: something that should run does not. */
  state: 'up' | 'partly' | 'down'
  target: LabState['target'] | null
  processes: LabProcess[]
  cluster: ClusterStatus | null
  problem: string | null
}

interface LabProcess {
  name: string
  pid: number | null
  address: string | null
  /** Managed cluster that the process is, as `GROUP/NAME`. */
  cluster?: string
  /** Of a local cluster: what the network of its pods is. */
  network?: string
}

export interface ClusterStatus {
  server: string
  pods: readonly ProductPod[]
  /** Operator, sync controller, webhook and MIC, as far as they are installed. */
  deployments: readonly ProductDeployment[]
  registeredOn: readonly string[]
  volumes: MountedVolume[]
}

/** One mounted class, from its status object. */
interface MountedVolume {
  pod: string
  class: string
  objects: number
  /** Why its last check failed; null if it succeeded. */
  failure: VolumeFailure | null
  /** Since when its values are not known to be the vault's, RFC 3339; null while they are. */
  staleSince: string | null
}

interface VolumeFailure {
  message: string
  /** Name of the gRPC code; null from a driver that does not report it. */
  code: string | null
  /** First of the failures in a row, RFC 3339; null from a driver that does not report it. */
  since: string | null
}

export async function labStatus(home: LabHome, env: CliWorld['env']): Promise<LabStatus> {
  const state = readLabState(home)
  const processes = labProcesses(home, state)
  const base = { home: home.root, target: state?.target ?? null, processes, cluster: null, problem: null }
  const isRunning = processes.some(({ pid }) => pid !== null) || findBackground(home, 'namespace') !== undefined
  if (!isRunning && state?.azure !== 'real') return { ...base, state: 'down' }
  const kubeconfig = state?.target.kind === 'kubeconfig' ? state.target.path : findLocalCluster(home)?.kubeconfig
  if (kubeconfig === undefined) return { ...base, state: 'partly', problem: 'the cluster is not running' }
  try {
    const cluster = await clusterStatus(kubeconfig, env)
    if (!isRunning && cluster.pods.length === 0) return { ...base, state: 'down' }
    const isComplete = processes.every(({ pid }) => pid !== null) && isWorking(cluster)
    return { ...base, state: isComplete ? 'up' : 'partly', cluster }
  } catch (error) {
    return { ...base, state: 'partly', problem: errorMessage(error) }
  }
}

/** The processes that a lab of this state has, running or not. */
function labProcesses(home: LabHome, state: LabState | undefined): LabProcess[] {
  const processes: LabProcess[] = []
  const add = (name: string, running: { pid: number } | undefined, address: string | undefined, more = {}) =>
    processes.push({ name, pid: running?.pid ?? null, address: address ?? null, ...more })
  const addCluster = (name: string, running: LocalCluster | undefined, more = {}) =>
    add(name, running, running?.server, running === undefined ? more : { ...more, network: networkOf(running) })
  if (state?.target.kind !== 'kubeconfig') {
    addCluster('local-cluster', findLocalCluster(home))
  }
  for (const { program, record } of managedClusters(home)) {
    addCluster(program, findLocalCluster(home, program), { cluster: managedName(record.id) })
  }
  if (state?.azure !== 'real') {
    const azure = findLocalAzure(home)
    add('local-azure', azure, azure?.proxy)
  }
  return processes
}

/** Those that `az aks create` made and `az aks stop` did not stop. */
function managedClusters(home: LabHome) {
  return existsSync(home.root) ? numberedPlaces(home).filter(({ record }) => record.stopped !== true) : []
}

async function clusterStatus(kubeconfig: string, env: CliWorld['env']) {
  const kube = createKubeClient(readKubeconfig(kubeconfig, env))
  try {
    const [product, deployments, volumes] = await Promise.all([
      productStatus(kube),
      productDeployments(kube, new Set([productNamespace])),
      mountedVolumes(kube),
    ])
    return { server: kube.server, ...product, deployments, volumes }
  } finally {
    kube.close()
  }
}

/** Keymount in any cluster; a cluster without its definitions has no volumes. */
export async function anyClusterStatus(kube: KubeClient): Promise<ClusterStatus> {
  const [{ pods, registeredOn }, volumes] = await Promise.all([
    productStatus(kube, { namespace: undefined }),
    mountedVolumes(kube).catch((error: unknown) => {
      if (isNotFound(error)) return []
      throw error
    }),
  ])
  const deployments = await productDeployments(kube, new Set(pods.map(({ namespace }) => namespace)))
  return { server: kube.server, pods, deployments, registeredOn, volumes }
}

async function mountedVolumes(kube: KubeClient): Promise<MountedVolume[]> {
  const { items } = await kube.list(resources.secretProviderClassPodStatuses)
  return items.map(volumeOf).toSorted((a, b) => urgency(b) - urgency(a))
}

function volumeOf({ metadata, status }: SecretProviderClassPodStatus): MountedVolume {
  const annotations = metadata.annotations ?? {}
  const message = annotations[statusAnnotations.lastFailure]
  const code = annotations[statusAnnotations.failureCode] ?? null
  const since = annotations[statusAnnotations.failingSince] ?? null
  return {
    pod: `${metadata.namespace}/${status?.podName ?? ''}`,
    class: status?.secretProviderClassName ?? '',
    objects: status?.objects?.length ?? 0,
    failure: message === undefined ? null : { message, code, since },
    staleSince: annotations[statusAnnotations.staleSince] ?? null,
  }
}

/** Values from before an outage come first, then failures. */
function urgency({ failure, staleSince }: MountedVolume): number {
  return (staleSince === null ? 0 : 2) + (failure === null ? 0 : 1)
}
