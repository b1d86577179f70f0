import type { EventRecorder, KubeClient } from '#kubernetes/client'
import type { Clock, Log } from '#lib'
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
