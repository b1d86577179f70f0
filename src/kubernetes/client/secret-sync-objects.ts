import { versionsAnnotation } from './fallback-secret.ts'
import type { KubeObject } from './objects.ts'

/** A Secret that is kept up to date without a pod. The kind of kubernetes-sigs/secrets-store-sync-controller, unchanged. */
export interface SecretSync extends KubeObject {
  spec: SecretSyncSpec
  status?: SecretSyncStatus
}

export interface SecretSyncSpec {
  /** Empty: any controller. */
  secretSyncControllerName?: string
  secretProviderClassName: string
  serviceAccountName: string
  secretObject: {
    /** Default `Opaque`. */
    type?: string
    /** Path of a file in the provider's response → key of the Secret. */
    data: { sourcePath: string; targetKey: string }[]
    labels?: Record<string, string>
    annotations?: Record<string, string>
  }
  /** Any new value asks for a sync. */
  forceSynchronization?: string
}

export interface SecretSyncStatus {
  syncHash?: string
  /** RFC 3339. */
  lastSuccessfulSyncTime?: string
  conditions?: SyncCondition[]
}

/** https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties */
export interface SyncCondition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  reason: string
  message: string
  lastTransitionTime: string
  observedGeneration?: number
}

/** What the controller reports on a SecretSync beside the fields of its status. */
export const syncAnnotations = {
  lastCheck: 'keymount.dev/last-check',
  nextCheck: 'keymount.dev/next-check',
  lastChange: 'keymount.dev/last-change',
  lastFailure: 'keymount.dev/last-failure',
  /** JSON: id of each object → its version. */
  versions: versionsAnnotation,
  /** What the Secret was written for; after a restart of the controller, an equal one needs no new `syncHash`. */
  writtenFor: 'keymount.dev/written-for',
  /** The values are as old as this time, because the vault or Entra did not answer. Absent: fresh. */
  staleSince: 'keymount.dev/stale-since',
} as const
