import type { EventRecorder, KubeClient } from '#kubernetes/client'
import type { Clock, Log } from '#lib'
import type { PodNetwork } from '../network/pod-network.ts'
import type { SandboxTools } from './container-script.ts'
import type { IdentityLimits } from './credentials.ts'
import type { Images } from './images.ts'
import type { PluginManager } from './plugin-manager.ts'
import type { PodTokens } from './token-cache.ts'
import type { Volumes } from './volumes.ts'

/** What every pod of the node shares. */
export interface PodContext {
  kube: KubeClient
  clock: Clock
  log: Log
  recorder: EventRecorder
  nodeIP: string
  /** Pods' own networks; undefined where they share that of the machine. */
  network: PodNetwork | undefined
  /** Where pods find the API server. */
  apiServer: { host: string; port: string }
  /** Parent of the pods' log directories. */
  logsDirectory: string
  /** Place for a container's start script. */
  scriptFile(podUid: string, container: string): string
  /** Time between two refreshes of a pod's volumes, in milliseconds. */
  syncFrequencyMs: number
  images: Images
  tools: SandboxTools
  limits: IdentityLimits
  plugins: PluginManager
  tokens: PodTokens
  volumes: Volumes
}
