import type { ObjectVersion } from '#kubernetes/provider-protocol'
import type { PublishRequest } from '../rpc/publish-request.ts'

/** What tells one edition of a class from another. */
export interface SeenClass {
  /** Undefined when it is not known, after a restart. */
  readonly generation: number | undefined
  /** Value of the rotate annotation. */
  readonly rotateRequest: string | undefined
}

/** What the driver knows of a volume that is mounted here. Only in memory: it holds the pod's tokens. */
export interface Volume {
  /** Target path with every link resolved; the key. */
  readonly target: string
  /** Target path as kubelet writes it. */
  readonly targetPath: string
  readonly pod: { readonly name: string; readonly namespace: string; readonly uid: string }
  readonly className: string
  readonly provider: string
  /** The last request of kubelet. Undefined after a restart, until kubelet asks again. */
  readonly request: PublishRequest | undefined
  /** The status object, and when it was last written. */
  readonly status: { readonly name: string; readonly uid: string; readonly writtenAt: number }
  readonly versions: readonly ObjectVersion[]
  /** Digest of the files as last written by this process. */
  readonly digest: string | undefined
  /** Rotation interval in milliseconds. */
  readonly intervalMs: number
  /** Milliseconds since the epoch. */
  readonly lastCheckAt: number
  readonly lastChangeAt: number
  readonly nextCheckAt: number
  /** Why the last check failed; undefined when it did not. */
  readonly failure: { readonly message: string; readonly times: number } | undefined
  /** The class as it was at the last check. */
  readonly seenClass: SeenClass
}

export interface Volumes {
  get(target: string): Volume | undefined
  set(volume: Volume): void
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
  return {
    get: (target) => byTarget.get(target),
    set(volume) {
      byTarget.set(volume.target, volume)
      changed()
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
