import type { EventRecorder, KubeClient, SecretProviderClass } from '#kubernetes/client'
import type { ProviderClient } from '#kubernetes/provider-protocol'
import type { TlsValues } from '#kubernetes/secret-data'
import type { NodeSockets } from '#kubernetes/sockets'
import type { Clock, Log, Running } from '#lib'
import type { FairGate, SingleFlight } from '#lib/async'
import type { DriverConfig } from './config.ts'
import type { DriverMetrics } from './driver-metrics.ts'
import type { MemoryBudget } from './mount/memory-budget.ts'
import type { Mounter } from './mount/mounter.ts'
import type { Volumes } from './mount/volumes.ts'
import type { ConfirmedEvents } from './rotation/confirmed-events.ts'
import type { HeldTokens } from './rotation/held-tokens.ts'
import type { RotationSchedule } from './rotation/rotation-schedule.ts'
import type { Operations } from './rpc/operations.ts'
import type { SecretSyncState } from './secrets/secret-sync-state.ts'

/** The driver of one node: what it knows and what it works with. Made once, in start-driver.ts; its steps are functions of it. */
export interface Node {
  readonly config: DriverConfig
  readonly kube: KubeClient
  readonly mounter: Mounter
  readonly sockets: NodeSockets
  readonly providers: ProviderClient
  readonly events: EventRecorder
  readonly metrics: DriverMetrics
  readonly clock: Clock
  readonly log: Log
  /** What is mounted on the node. */
  readonly volumes: Volumes
  readonly memory: MemoryBudget
  /** Bounds the large answers of providers that are in memory at the same time; namespaces take turns. */
  readonly largeAnswers: FairGate
  /** Bounds the classes that are read at the same time: each may be as large as an object can be. */
  readonly classReads: FairGate
  /** Bounds the Secrets of `fallbackSecretName` that are in memory at the same time; namespaces take turns. */
  readonly fallbackReads: FairGate
  /** Joins lists of the classes of a namespace. */
  readonly classLists: SingleFlight<string>
  /** One at a time per target path. */
  readonly operations: Operations
  readonly schedule: RotationSchedule
  /** Classes that are watched, by `namespace/name`. Empty when rotation is off. */
  readonly watchedClasses: Map<string, WatchedClass>
  readonly secretSync: SecretSyncState
  readonly tls: TlsValues
  /** The status object of a volume for which nothing has changed is written this often at most: each write is load on the API server. */
  statusIntervalMs: number
  /** Events that the operator confirms: see quiet-polling.ts. */
  readonly confirmed: ConfirmedEvents
  readonly heldTokens: HeldTokens
  /** The next moment that was chosen for checks of a namespace that have to sign in, by `clock.elapsed()`. */
  readonly signIns: Map<string, number>
  /** Resolves when the volumes that were mounted before a restart are in {@link volumes}. */
  recovered: Promise<void>
}

export interface WatchedClass extends Running {
  /** As the watch last saw it. Undefined until the watch has started, and when the class does not exist. */
  metadata: SecretProviderClass['metadata'] | undefined
  /** The class of that metadata, once it has been read, unless it is too large to be held. */
  held: SecretProviderClass | undefined
  /** When it was last seen to ask for a rotation, by being edited or annotated; by `clock.elapsed()`. */
  requestedAt: number
  /** When the last check of one of its volumes began, by `clock.elapsed()`. */
  checkedAt: number
  /** The last change in the vault that it reported, and when that was first seen, by `clock.elapsed()`. */
  change: { id: string; seenAt: number } | undefined
}
