import type {
  CsiDriver,
  CsiNode,
  DaemonSet,
  KubeEvent,
  Node,
  Pod,
  SecretProviderClass,
  SecretProviderClassPodStatus,
  UntypedObject,
} from '#kubernetes/client'
import type { ClassProblem, ClassRow, VolumeRow } from './rows.ts'

/** What the rows are made of: of each object the part that is shown, with every text of bounded length. By `namespace/name`. */
export interface ClusterObjects {
  mounts: Map<string, Mount>
  /** All pods, by their metadata alone. */
  pods: Map<string, PodOwner>
  /** Pods that have not started yet and have a volume of ours. */
  waiting: Map<string, WaitingPod>
  classes: Map<string, ClassFacts>
  syncs: Map<string, SyncFacts>
  /** Workloads that ask for restarts, by `deployment/NAMESPACE/NAME`. */
  workloads: Map<string, RestartRequest>
  nodes: Map<string, Node>
  csiNodes: Map<string, CsiNode>
  csiDrivers: Map<string, CsiDriver>
  /** Of driver and provider. */
  productPods: Map<string, Pod>
  daemonSets: Map<string, DaemonSet>
  /** Of operator, sync controller, webhook and MIC. */
  deployments: Map<string, UntypedObject>
  events: Map<string, KubeEvent>
}

export interface Mount {
  /** Cut down to what is shown. */
  object: SecretProviderClassPodStatus
  node: string
  /** Of all versions together. */
  hash: string
  /** Its row, for as long as nothing about that changes: of 10,000, few change in a second. */
  made?: MadeRow
}

export interface MadeRow {
  row: VolumeRow
  quietMs: number
  lateAfterMs: number
}

export interface PodOwner {
  /** `deployment/web`, or `pod/web` without a controller. */
  workload: string
}

export interface WaitingPod {
  namespace: string
  name: string
  node: string
  uid: string
  workload: string
  created: string | undefined
  classes: readonly string[]
  phase: string
}

export interface ClassFacts
  extends Pick<ClassRow, 'namespace' | 'class' | 'provider' | 'vaults' | 'identity' | 'interval'> {
  uid: string
  created: string | undefined
  /** `secret/db` → the vault that has it, for the ids of a volume's objects. */
  vaultOf: ReadonlyMap<string, string>
  /** The vault of every other object. */
  defaultVault: string
  isPinned: boolean
  secrets: readonly { name: string; type: string; keys: readonly string[] }[]
  /** Name of the service account as which the sync controller makes the Secrets, without a pod. */
  syncAccount: string | undefined
  problems: readonly ClassProblem[]
  /** What fails a mount or a Secret, with the doctor's code. */
  failures: readonly { code: string; text: string; fix: readonly string[] }[]
  /** The class itself, until it was judged. */
  unjudged: SecretProviderClass | undefined
}

export interface SyncFacts {
  namespace: string
  name: string
  class: string
  account: string
  type: string
  keys: readonly string[]
  ready: boolean | undefined
  reason: string
  message: string
  since: string | null
  lastWritten: string | null
  restarts: readonly string[]
}

export interface RestartRequest {
  /** `deployment/web`. */
  workload: string
  namespace: string
  /** The annotation: `true`, or names of classes by commas. */
  classes: string
}

export function emptyObjects(): ClusterObjects {
  return {
    mounts: new Map(),
    pods: new Map(),
    waiting: new Map(),
    classes: new Map(),
    syncs: new Map(),
    workloads: new Map(),
    nodes: new Map(),
    csiNodes: new Map(),
    csiDrivers: new Map(),
    productPods: new Map(),
    daemonSets: new Map(),
    deployments: new Map(),
    events: new Map(),
  }
}
