import type { OwnerReference } from '#kubernetes/client'
import { createFairGate, createKeyedLock, type FairGate, type KeyedLock } from '#lib/async'

/** What mirroring volumes into Secrets remembers. */
export interface SecretSyncState {
  /** One writer per Secret. */
  readonly lock: KeyedLock
  /** Classes that are synced at the same time, one of each namespace. */
  readonly gate: FairGate
  /** Owners of a volume's Secrets, by target. */
  readonly owners: Map<string, readonly OwnerReference[]>
  /** Keys of classes that wait for the end of a burst of rotations; undefined when nothing waits. */
  gathering: Set<string> | undefined
  /** Keys of classes that wait for the gate. */
  readonly waiting: Set<string>
  /** Syncs that wait or are in progress. */
  readonly work: Set<Promise<void>>
  readonly stopping: AbortController
  cancelGather(): void
  cancelResync(): void
}

/** A resync must not be a storm. */
const concurrency = 4

export function createSecretSyncState(): SecretSyncState {
  return {
    lock: createKeyedLock(),
    gate: createFairGate({ total: concurrency, perOwner: 1 }),
    owners: new Map(),
    gathering: undefined,
    waiting: new Set(),
    work: new Set(),
    stopping: new AbortController(),
    cancelGather: () => {},
    cancelResync: () => {},
  }
}
