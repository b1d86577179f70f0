/**
 * local-cluster: a small Kubernetes for one machine: an API server over TLS (`api-server`), the few controllers that its users need
 * (`controllers`), and a node agent that runs pods as Linux processes (`kubelet`). It exists so that a laptop with nothing
 * installed can try Keymount; the judge of its API is kubectl. What only a real Kubernetes can show, it does not imitate.
 */
import { join } from 'node:path'
import { type Clock, type Log, type Running, systemClock } from '../lib/index.ts'
import { startApiServer } from './api-server/api-server.ts'
import { startControllers } from './controllers/index.ts'

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
  const api = await startApiServer({ stateDir, listen, port, nodeName, clock, log })
  const controllers = startControllers(api.context, api.ca)
  return {
    server: api.url,
    kubeconfig: api.kubeconfig,
    ca: join(stateDir, 'pki', 'ca.crt'),
    issuer: api.url,
    kubeletRoot: join(stateDir, 'kubelet'),
    async stop() {
      await controllers.stop()
      await api.stop()
    },
  }
}
