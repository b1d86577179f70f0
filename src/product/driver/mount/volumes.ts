import type { ObjectReference } from '#kubernetes/client'
import type { ObjectVersion, StaleContent } from '#kubernetes/provider-protocol'
import type { ClassRef } from '../content/class-ref.ts'
import type { PublishRequest } from '../rpc/publish-request.ts'

/** Which version of a class a volume was filled from. */
export interface SeenClass {
  /** Undefined when it is not known, of a volume that an earlier driver mounted. */
  readonly generation: number | undefined
  /** Value of the rotate annotation. */
  readonly rotateRequest: string | undefined
  /** Id of the last change in the vault that the class reported. */
  readonly changeId: string | undefined
}

/** Changes in the vault that the class reported, and for which the volume has not been read again yet. */
export interface PendingChange {
  /** Of the newest of them. */
  readonly id: string
  /** When the first of them happened, in milliseconds since the epoch. */
  readonly at: number
  /** Ids of objects, or {@link everyObject} alone. */
  readonly objects: readonly string[]
}

/** The SecretProviderClassPodStatus object of a volume. */
export interface VolumeStatus {
  readonly name: string
  /** Empty until the object has been written once. */
  readonly uid: string
  /** When it was last written, by `clock.elapsed()`. */
  readonly writtenAt: number
  /** Of the next check that it names, by `clock.elapsed()`. */
  readonly nextCheckAt: number
  /** After a failed write: when it is tried again, by `clock.elapsed()`, and how often it failed in a row. */
  readonly retry: { readonly at: number; readonly times: number } | undefined
}

/** The status of a volume whose object has not been written yet. */
export function notWritten(name: string): VolumeStatus {
  return { name, uid: '', writtenAt: Number.NEGATIVE_INFINITY, nextCheckAt: Number.NEGATIVE_INFINITY, retry: undefined }
}

/** Why the last check of a volume failed. */
export interface VolumeFailure {
  readonly message: string
  /** Name of its gRPC code. */
  readonly code: string
  /** How many checks in a row have failed. */
  readonly times: number
  /** When the first of them failed, in milliseconds since the epoch. */
  readonly since: number
}

/** A volume that is mounted on this node. In memory only: it holds the pod's tokens. */
export interface Volume {
  /** Target path with every link resolved; the key. */
  readonly target: string
  /** Target path as kubelet writes it. */
  readonly targetPath: string
  readonly pod: { readonly name: string; readonly namespace: string; readonly uid: string }
  readonly className: string
  readonly provider: string
  /** kubelet's last request. Undefined after a restart, until kubelet repeats it. */
  readonly request: PublishRequest | undefined
  readonly status: VolumeStatus
  readonly versions: readonly ObjectVersion[]
  /** Version hash of the first successful publish; undefined where it is not known, of a volume that an earlier driver mounted. */
  readonly startedWith: string | undefined
  /** Version hash that the Secrets of the class carry, as this node wrote them; undefined before. */
  readonly mirroredFor: string | undefined
  /** Since when and why it holds what the vault had before an outage; undefined for fresh content. */
  readonly stale: StaleContent | undefined
  /** Whether the provider's last answer was a large one. */
  readonly large: boolean
  /** Digest of the files as last written by this process. */
  readonly digest: string | undefined
  /** Rotation interval in milliseconds. */
  readonly intervalMs: number
  /** Hosts of the vaults that have its objects; empty where they are not known, or events of its class do not cover them. */
  readonly vaults: readonly string[]
  /** Key of the token in `heldTokens` that its last read used; undefined where it is not known. */
  readonly tokenOf: string | undefined
  /** When the last check that read every object began, by `clock.elapsed()`. */
  readonly readAt: number
  /** The longer interval for which {@link nextCheckAt} was recorded, while events are confirmed; undefined for its own. */
  readonly quietMs: number | undefined
  /** Milliseconds since the epoch: for people. */
  readonly lastCheckAt: number
  readonly lastChangeAt: number
  /** The last change and the next check by `clock.elapsed()`: a wall clock that is set must neither reorder nor delay anything. */
  readonly changedAt: number
  readonly nextCheckAt: number
  /**
   * The earliest time, by `clock.elapsed()`, for which its class has made it due since the last check began; infinity for none.
   * {@link nextCheckAt} cannot show that during a check: it has passed already, and no later time replaces it.
   */
  readonly wokenAt: number
  /** Names of the Secrets that its class asks for, and of those that it asked for and that are not removed yet. */
  readonly secrets: readonly string[]
  /** Why the last check failed; undefined when it succeeded. */
  readonly failure: VolumeFailure | undefined
  /** The class as it was at the last check. */
  readonly seenClass: SeenClass
  readonly change: PendingChange | undefined
}

/** A volume that can be checked: its tokens are known. */
export type CheckableVolume = Volume & { readonly request: PublishRequest }

export function isCheckable(volume: Volume): volume is CheckableVolume {
  return volume.request !== undefined
}

export interface Volumes {
  get(target: string): Volume | undefined
  set(volume: Volume): void
  /** Changes fields of a volume, if it is still mounted. */
  update(target: string, change: Partial<Volume>): Volume | undefined
  delete(target: string): void
  all(): readonly Volume[]
  readonly size: number
  /** Called after every set and delete. */
  onChange(listener: () => void): void
}

export function createVolumes(): Volumes {
  const byTarget = new Map<string, Volume>()
  const listeners: (() => void)[] = []
  const changed = () => {
    for (const listener of listeners) listener()
  }
  const set = (volume: Volume) => {
    byTarget.set(volume.target, volume)
    changed()
    return volume
  }
  return {
    get: (target) => byTarget.get(target),
    set,
    update(target, change) {
      const volume = byTarget.get(target)
      return volume === undefined ? undefined : set({ ...volume, ...change })
    },
    delete(target) {
      if (byTarget.delete(target)) changed()
    },
    all: () => [...byTarget.values()],
    get size() {
      return byTarget.size
    },
    onChange: (listener) => listeners.push(listener),
  }
}

export function podReference({ pod }: Volume): ObjectReference {
  return { apiVersion: 'v1', kind: 'Pod', namespace: pod.namespace, name: pod.name, uid: pod.uid }
}

export function classOf({ pod, className }: Volume): ClassRef {
  return { namespace: pod.namespace, name: className }
}

/** Fields of a log line about a volume. */
export function logKeys({ pod, className, provider, target }: Volume) {
  return { pod: `${pod.namespace}/${pod.name}`, class: className, provider, targetPath: target }
}
