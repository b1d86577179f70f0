import type { EventRecorder, KubeClient, SecretProviderClass, SecretSync } from '#kubernetes/client'
import type { ProviderClient } from '#kubernetes/provider-protocol'
import type { TlsValues } from '#kubernetes/secret-data'
import type { Clock, Log } from '#lib'
import type { ServiceAccounts } from './service-accounts.ts'
import type { SyncMetrics } from './sync-metrics.ts'
import type { Wanted } from './wanted.ts'

/** What a reconcile works with. */
export interface Reconciler {
  kube: KubeClient
  providers: ProviderClient
  /** Of the sockets of {@link providers}. */
  providerDirectories: readonly string[]
  accounts: ServiceAccounts
  tls: TlsValues
  /** From the watches; undefined when it is not there, or is another controller's. */
  wanted(key: string): Wanted | undefined
  classOf(namespace: string, name: string): SecretProviderClass | undefined
  /** When the class was last seen to ask for a read, by `clock.elapsed()`; undefined where that is not known. */
  askedAt(namespace: string, name: string): number | undefined
  /** Resource version of each Secret that a class has us make, after its last sync; by the key in the queue. */
  written: Map<string, string>
  /** SecretSyncs as the last write to them returned them, until the watch has caught up; by uid. */
  reported: Map<string, SecretSync>
  /** Our own pod, whose name providers log. */
  pod: { name: string; uid: string }
  nextCheck(key: string): number | undefined
  /** Whether many others wait: what can be done at the next check is done then. */
  isBusy(): boolean
  events: EventRecorder
  metrics: SyncMetrics
  clock: Clock
  log: Log
}

/** One reconcile of one Secret. */
export interface Run {
  readonly reconciler: Reconciler
  /** In the queue. */
  readonly key: string
  readonly wanted: Wanted
  /** As the last write to it returned it. */
  sync: SecretSync
  readonly signal: AbortSignal
}
