/**
 * local-cluster: a small Kubernetes for one machine: an API server over TLS (`api-server`), the few controllers that its users need
 * (`controllers`), and a node agent that runs pods as Linux processes (`kubelet`). With it, a laptop with nothing installed
 * can try Keymount. Its API is tested with kubectl, and against answers recorded from a real API server.
 */
import { join } from 'node:path'
import { createKubeClient, loadKubeconfig } from '#kubernetes/client'
import { networkAddresses } from '#lab/router'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { type ApiServer, startApiServer } from './api-server/api-server.ts'
import { startControllers } from './controllers/index.ts'
import { startNodeAgent } from './kubelet/node-agent.ts'
import { forwardsFile as forwardsFileName } from './network/forwards.ts'
import type { PodNetwork } from './network/pod-network.ts'
import { PodNetworkError } from './network/pod-network-error.ts'
import { startPodNetwork } from './network/start-pod-network.ts'

export { type LocalClusterConfig, localClusterFlags, localClusterProgram } from './config.ts'

export interface LocalClusterOptions {
  /** Directory of everything that survives a restart. Created if missing (mode 0700). */
  stateDir: string
  /** Address to listen on. Default 127.0.0.1. */
  listen?: string | undefined
  /** 0 takes a free port. */
  port: number
  /** Default `keymount-local`. */
  nodeName?: string | undefined
  /** False: no node agent, so pods stay Pending. Default true. */
  node?: boolean | undefined
  /**
   * Whether pods get networks of their own, where the machine allows it: an address per pod, Services, and names. Default
   * false: they share the machine's network.
   */
  podNetwork?: boolean | undefined
  /** Image name → directory with its root file system. A name without a tag stands for all tags, `*\/NAME` for all registries too. */
  images?: ReadonlyMap<string, string> | undefined
  /** Directory that lies over every image in `images`; `.environment` in it may hold a JSON object of variables. Default: none. */
  imageOverlay?: string | undefined
  /** Control socket of a local Azure. With it, there is a token proxy for the identity bindings that this Azure has. */
  azureControl?: string | undefined
  /** Time between two checks of each pod by the node agent, in milliseconds. Default 60,000. */
  syncFrequencyMs?: number | undefined
  /** Longest time for a request to arrive, and for a client to read nothing of its answer, in milliseconds. Default 60,000. */
  clientTimeoutMs?: number | undefined
  clock?: Clock | undefined
  log: Log
}

export interface LocalCluster extends Running {
  /** `https://ADDRESS:PORT` */
  server: string
  /** File: the administrator's kubeconfig. */
  kubeconfig: string
  /** File: PEM of the cluster's CA. */
  ca: string
  /** Issuer of the service account tokens. */
  issuer: string
  /** TLS server name of the token proxy for identity bindings; undefined without one. */
  tokenProxyName: string | undefined
  /** The node agent's counterpart of /var/lib/kubelet. */
  kubeletRoot: string
  /** The address at which pods with networks of their own reach servers of this machine; undefined without such networks. */
  machineAddress: string | undefined
  /** Why pods share the machine's network although `podNetwork` is true. */
  podNetworkProblem: string | undefined
}

/** Starts the cluster. Rejects, and leaves nothing running, when its state is damaged, the port is taken, or the machine cannot run pods. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { stateDir, listen = '127.0.0.1', port, nodeName = 'keymount-local', clock = systemClock, log } = options
  const { clientTimeoutMs, azureControl, podNetwork = false } = options
  const kubeletRoot = join(stateDir, 'kubelet')
  await using started = new AsyncDisposableStack()
  const { network, problem } = podNetwork ? await networkIfPossible(options) : {}
  if (network !== undefined) started.defer(() => network.stop())
  const api = await startApiServer({
    ...{ stateDir, listen, port, nodeName, clientTimeoutMs, azureControl, clock, log },
    connectToPod: network?.connect,
  })
  started.defer(() => api.stop())
  network?.setApiServer(apiServerOf(api, listen))
  const controllers = startControllers(api.context, { ca: api.ca, network })
  started.defer(() => controllers.stop())
  if (options.node !== false) {
    const node = await startNode(api, { ...options, listen, nodeName, kubeletRoot, network, clock })
    started.defer(() => node.stop())
  }
  const running = started.move()
  return {
    server: api.url,
    kubeconfig: api.kubeconfig,
    ca: join(stateDir, 'pki', 'ca.crt'),
    issuer: api.url,
    tokenProxyName: api.tokenProxyName,
    kubeletRoot,
    machineAddress: network === undefined ? undefined : networkAddresses.router,
    podNetworkProblem: problem,
    stop: () => running.disposeAsync(),
  }
}

async function networkIfPossible({
  imageOverlay,
  clock = systemClock,
  log,
}: LocalClusterOptions): Promise<{ network?: PodNetwork; problem?: string }> {
  const forwardsFile = imageOverlay === undefined ? undefined : join(imageOverlay, forwardsFileName)
  try {
    return { network: await startPodNetwork({ forwardsFile, clock, log }) }
  } catch (error) {
    if (!(error instanceof PodNetworkError)) throw error
    log.warn({ detail: error.message }, "pods share the machine's network: they cannot have networks of their own here")
    return { problem: error.message }
  }
}

/** Where programs of this machine reach the API server, as `ADDRESS:PORT`. */
function apiServerOf({ url }: ApiServer, listen: string): string {
  return `${listen === '0.0.0.0' ? '127.0.0.1' : listen}:${new URL(url).port}`
}

/** The node agent is a client like any other: it uses the HTTPS API, with its own certificate. */
async function startNode(
  api: ApiServer,
  options: LocalClusterOptions & {
    listen: string
    nodeName: string
    kubeletRoot: string
    network: PodNetwork | undefined
    clock: Clock
  },
): Promise<Running> {
  const {
    stateDir,
    listen,
    nodeName,
    kubeletRoot,
    images = new Map(),
    imageOverlay,
    syncFrequencyMs = 60_000,
    network,
    clock,
    log,
  } = options
  await using started = new AsyncDisposableStack()
  const kube = createKubeClient(loadKubeconfig(api.nodeKubeconfig), { userAgent: 'kubelet' })
  started.defer(() => kube.close())
  const agent = await startNodeAgent({
    kube,
    nodeName,
    nodeIP: network === undefined ? listen : undefined,
    network,
    kubeletRoot,
    stateDir,
    images,
    imageOverlay,
    syncFrequencyMs,
    clock,
    log,
  })
  started.defer(() => agent.stop())
  api.attachNode(agent)
  const running = started.move()
  return { stop: () => running.disposeAsync() }
}
