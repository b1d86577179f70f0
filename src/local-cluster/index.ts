/**
 * local-cluster: a small Kubernetes for one machine: an API server over TLS (`api-server`), the few controllers that its users need
 * (`controllers`), and a node agent that runs pods as Linux processes (`kubelet`). It exists so that a laptop with nothing
 * installed can try Keymount; the judge of its API is kubectl. What only a real Kubernetes can show, it does not imitate.
 */
import { join } from 'node:path'
import { createKubeClient, loadKubeconfig } from '../kube/index.ts'
import { type Clock, type Log, type Running, systemClock } from '../lib/index.ts'
import { startApiServer } from './api-server/api-server.ts'
import { startControllers } from './controllers/index.ts'
import { startNodeAgent } from './kubelet/index.ts'

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

/** Starts the cluster. Rejects when its state is damaged or the port is taken. */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  const { stateDir, listen = '127.0.0.1', port, nodeName = 'keymount-local', clock = systemClock, log } = options
  const { node = true, images = new Map<string, string>(), syncFrequencyMs = 60_000 } = options
  const kubeletRoot = join(stateDir, 'kubelet')
  const api = await startApiServer({ stateDir, listen, port, nodeName, clock, log })
  const controllers = startControllers(api.context, api.ca)
  const kube = createKubeClient(loadKubeconfig(api.nodeKubeconfig), { userAgent: 'kubelet' })
  const stopControlPlane = async () => {
    kube.close()
    await controllers.stop()
    await api.stop()
  }
  const places = { kubeletRoot, logsDirectory: join(stateDir, 'logs') }
  const startAgent = () => startNodeAgent({ kube, nodeName, ...places, images, syncFrequencyMs, clock, log })
  const agent = node
    ? await startAgent().catch((error) => stopControlPlane().then(() => Promise.reject(error)))
    : undefined
  if (agent !== undefined) api.attachNode(agent)
  return {
    server: api.url,
    kubeconfig: api.kubeconfig,
    ca: join(stateDir, 'pki', 'ca.crt'),
    issuer: api.url,
    kubeletRoot,
    async stop() {
      await agent?.stop()
      await stopControlPlane()
    },
  }
}
