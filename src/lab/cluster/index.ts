/**
 * local-cluster: a small Kubernetes for one machine: an API server over TLS (`api-server`), the few controllers that its users need
 * (`controllers`), and a node agent that runs pods as Linux processes (`kubelet`). It exists so that a laptop with nothing
 * installed can try Keymount; the judge of its API is kubectl. What only a real Kubernetes can show, it does not imitate.
 */
import { join } from 'node:path'
import { createKubeClient, loadKubeconfig } from '#kubernetes/client'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { type ApiServer, startApiServer } from './api-server/api-server.ts'
import { startControllers } from './controllers/index.ts'
import { startNodeAgent } from './kubelet/node-agent.ts'

export { type LocalClusterConfig, localClusterConfig } from './flags.ts'

export interface LocalClusterOptions {
  /** Everything that survives a restart is here. Made if missing (mode 0700). */
  stateDir: string
  /** Address to listen on. Default 127.0.0.1. */
  listen?: string
  /** 0 takes a free port. */
  port: number
  /** Default `keymount-local`. */
  nodeName?: string
  /** False: no node agent, so pods stay Pending. Default true. */
  node?: boolean
  /** Image names and the root file systems that stand for them. */
  images?: ReadonlyMap<string, string>
  /** How often the node agent looks after each pod without being told of a change, in milliseconds. Default 60,000. */
  syncFrequencyMs?: number
  clock?: Clock
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
  /** Directory that stands for /var/lib/kubelet. */
  kubeletRoot: string
}

/** Starts the cluster. Rejects when its state is damaged, the port is taken, or the machine cannot run pods. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { stateDir, listen = '127.0.0.1', port, nodeName = 'keymount-local', clock = systemClock, log } = options
  const kubeletRoot = join(stateDir, 'kubelet')
  const api = await startApiServer({ stateDir, listen, port, nodeName, clock, log })
  const started: Running[] = [api, startControllers(api.context, api.ca)]
  const stop = async () => {
    for (const part of started.toReversed()) await part.stop()
  }
  try {
    if (options.node !== false) {
      started.push(await startNode(api, { ...options, listen, nodeName, kubeletRoot, clock }))
    }
  } catch (error) {
    await stop()
    throw error
  }
  const ca = join(stateDir, 'pki', 'ca.crt')
  return { server: api.url, kubeconfig: api.kubeconfig, ca, issuer: api.url, kubeletRoot, stop }
}

/** The node agent is a client like any other: it comes over HTTPS, with its own certificate. */
async function startNode(
  api: ApiServer,
  options: LocalClusterOptions & { listen: string; nodeName: string; kubeletRoot: string; clock: Clock },
): Promise<Running> {
  const { stateDir, listen, nodeName, kubeletRoot, images = new Map(), syncFrequencyMs = 60_000, clock, log } = options
  const kube = createKubeClient(loadKubeconfig(api.nodeKubeconfig), { userAgent: 'kubelet' })
  const logsDirectory = join(stateDir, 'logs')
  const agent = await startNodeAgent({
    ...{ kube, nodeName, nodeIP: listen, kubeletRoot, logsDirectory, images, syncFrequencyMs, clock, log },
  })
  api.attachNode(agent)
  return {
    async stop() {
      await agent.stop()
      kube.close()
    },
  }
}
