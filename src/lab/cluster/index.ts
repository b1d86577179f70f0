/**
 * local-cluster: a small Kubernetes for one machine: an API server over TLS (`api-server`), the few controllers that its users need
 * (`controllers`), and a node agent that runs pods as Linux processes (`kubelet`). With it, a laptop with nothing installed
 * can try Keymount. Its API is tested with kubectl, and against answers recorded from a real API server.
 */
import { join } from 'node:path'
import { createKubeClient, loadKubeconfig } from '#kubernetes/client'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { type ApiServer, startApiServer } from './api-server/api-server.ts'
import { startControllers } from './controllers/index.ts'
import { startNodeAgent } from './kubelet/node-agent.ts'

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
  /** Image name → directory with its root file system. A name without a tag stands for all tags, `*\/NAME` for all registries too. */
  images?: ReadonlyMap<string, string> | undefined
  /** Directory that lies over every image in `images`; `.environment` in it may hold a JSON object of variables. Default: none. */
  imageOverlay?: string | undefined
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
  /** The node agent's counterpart of /var/lib/kubelet. */
  kubeletRoot: string
}

/** Starts the cluster. Rejects, and leaves nothing running, when its state is damaged, the port is taken, or the machine cannot run pods. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { stateDir, listen = '127.0.0.1', port, nodeName = 'keymount-local', clock = systemClock, log } = options
  const { clientTimeoutMs } = options
  const kubeletRoot = join(stateDir, 'kubelet')
  await using started = new AsyncDisposableStack()
  const api = await startApiServer({ stateDir, listen, port, nodeName, clientTimeoutMs, clock, log })
  started.defer(() => api.stop())
  const controllers = startControllers(api.context, api.ca)
  started.defer(() => controllers.stop())
  if (options.node !== false) {
    const node = await startNode(api, { ...options, listen, nodeName, kubeletRoot, clock })
    started.defer(() => node.stop())
  }
  const running = started.move()
  return {
    server: api.url,
    kubeconfig: api.kubeconfig,
    ca: join(stateDir, 'pki', 'ca.crt'),
    issuer: api.url,
    kubeletRoot,
    stop: () => running.disposeAsync(),
  }
}

/** The node agent is a client like any other: it uses the HTTPS API, with its own certificate. */
async function startNode(
  api: ApiServer,
  options: LocalClusterOptions & { listen: string; nodeName: string; kubeletRoot: string; clock: Clock },
): Promise<Running> {
  const {
    stateDir,
    listen,
    nodeName,
    kubeletRoot,
    images = new Map(),
    imageOverlay,
    syncFrequencyMs = 60_000,
    clock,
    log,
  } = options
  await using started = new AsyncDisposableStack()
  const kube = createKubeClient(loadKubeconfig(api.nodeKubeconfig), { userAgent: 'kubelet' })
  started.defer(() => kube.close())
  const agent = await startNodeAgent({
    kube,
    nodeName,
    nodeIP: listen,
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
