import {
  type KubeObject,
  type SecretProviderClass,
  type SecretProviderClassPodStatus,
  type SecretSync,
  statusAnnotations,
  versionHash,
} from '#kubernetes/client'
import { recordOf, stringOf } from '#lib/formats'
import { createNamespaceIndex, type NamespaceIndex } from './namespace-index.ts'
import { listOf, restartedForAnnotation, restartTargetsAnnotation, settingsIn } from './restart-settings.ts'
import { parseTarget, type WorkloadKind } from './workload-kinds.ts'

/** What is stored of a SecretProviderClassPodStatus: at most 300 bytes. */
export interface MountRecord {
  podName: string
  podUid: string
  className: string
  have: string
  startedWith: string | undefined
  mirroredFor: string | undefined
  /** Milliseconds since the epoch. */
  changedAt: number | undefined
  /** By the API server's record of writes: of the first and of the last one that changed the status. */
  createdAt: number | undefined
  writtenAt: number | undefined
}

/** What is stored of a pod. */
export interface PodRecord {
  uid: string
  createdAt: number
  /** What made it: its kind, name and uid. */
  owner: { kind: string; name: string; uid: string } | undefined
  /** What its template was rolled out for. */
  restartedFor: string | undefined
  /** Annotations about restarts, which its template had. */
  settings: Readonly<Record<string, string>> | undefined
  /** When its containers had started at the last lookup: a restart makes it later. */
  containersStartedAt?: number | undefined
}

/** What is stored of a workload. */
export interface WorkloadRecord {
  uid: string
  /** Changes with every write. */
  version: string
  settings: Readonly<Record<string, string>> | undefined
}

export interface ClassRecord {
  /** Whether it writes Secrets. */
  mirrored: boolean
  syncInterval: string | undefined
  ignored: boolean
}

export interface SyncRecord {
  hash: string
  syncedAt: number
  targets: readonly { kind: WorkloadKind; name: string }[]
  /** Entries of the annotation that name no workload. */
  unusable: readonly string[]
}

/** The cluster, as far as restarts are decided by it. */
export interface ClusterView {
  mounts: NamespaceIndex<MountRecord>
  pods: NamespaceIndex<PodRecord>
  workloads: Readonly<Record<WorkloadKind, NamespaceIndex<WorkloadRecord>>>
  classes: NamespaceIndex<ClassRecord>
  syncs: NamespaceIndex<SyncRecord>
}

export function createClusterView(): ClusterView {
  return {
    mounts: createNamespaceIndex(),
    pods: createNamespaceIndex(),
    workloads: {
      Deployment: createNamespaceIndex(),
      StatefulSet: createNamespaceIndex(),
      DaemonSet: createNamespaceIndex(),
      Rollout: createNamespaceIndex(),
    },
    classes: createNamespaceIndex(),
    syncs: createNamespaceIndex(),
  }
}

/** Undefined for a volume that is not mounted, and for an object that is not the driver's. */
export function mountRecord({ metadata, status }: SecretProviderClassPodStatus): MountRecord | undefined {
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'Pod')
  const { podName = '', secretProviderClassName: className = '', objects } = status ?? {}
  if (status?.mounted !== true || owner === undefined || owner.name !== podName || className === '') return undefined
  const { startedWith, mirroredFor, lastChange } = statusAnnotations
  const annotations = metadata.annotations ?? {}
  const have = versionHash(className, objects ?? [])
  // Equal texts are stored once.
  const hashOf = (text: string | undefined) => (text === have ? have : text?.slice(0, 64))
  return {
    podName,
    podUid: owner.uid,
    className,
    have,
    startedWith: hashOf(annotations[startedWith]),
    mirroredFor: hashOf(annotations[mirroredFor]),
    changedAt: timeOf(annotations[lastChange]),
    createdAt: timeOf(metadata.creationTimestamp),
    writtenAt: lastWrite(metadata.managedFields),
  }
}

function lastWrite(managedFields: readonly unknown[] | undefined): number | undefined {
  const times = (managedFields ?? []).flatMap((entry) => timeOf(stringOf(recordOf(entry)?.time)) ?? [])
  return times.length === 0 ? undefined : Math.max(...times)
}

/** Undefined for a pod that is terminating. */
export function podRecord({ metadata }: KubeObject): PodRecord | undefined {
  if (metadata.deletionTimestamp !== undefined) return undefined
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true)
  return {
    uid: metadata.uid ?? '',
    createdAt: timeOf(metadata.creationTimestamp) ?? 0,
    owner: owner && { kind: owner.kind, name: owner.name, uid: owner.uid },
    restartedFor: metadata.annotations?.[restartedForAnnotation]?.slice(0, 64),
    settings: settingsIn(metadata.annotations),
  }
}

export function workloadRecord({ metadata }: KubeObject): WorkloadRecord | undefined {
  if (metadata.deletionTimestamp !== undefined) return undefined
  const { uid = '', resourceVersion = '', annotations } = metadata
  return { uid, version: resourceVersion, settings: settingsIn(annotations) }
}

export function classRecord({ metadata, spec }: SecretProviderClass): ClassRecord {
  return {
    mirrored: (spec?.secretObjects?.length ?? 0) > 0,
    syncInterval: spec?.parameters?.syncInterval?.slice(0, 100),
    ignored: settingsIn(metadata.annotations)?.['reloader.stakater.com/ignore'] === 'true',
  }
}

/** A tenant may write any number of targets. */
const maxTargets = 50

/** Undefined for a SecretSync that names no workload, or has no Secret yet. */
export function syncRecord({ metadata, status }: Pick<SecretSync, 'metadata' | 'status'>): SyncRecord | undefined {
  const names = listOf(metadata.annotations?.[restartTargetsAnnotation] ?? '').slice(0, maxTargets)
  const syncedAt = timeOf(status?.lastSuccessfulSyncTime)
  const hash = status?.syncHash ?? ''
  if (names.length === 0 || syncedAt === undefined || hash === '') return undefined
  const parsed = names.map((text) => ({ text, target: parseTarget(text) }))
  return {
    hash,
    syncedAt,
    targets: parsed.flatMap(({ target }) => target ?? []),
    unusable: parsed.flatMap(({ text, target }) => (target === undefined ? [text.slice(0, 100)] : [])),
  }
}

/** Milliseconds since the epoch; undefined for a text that is not a time. */
export function timeOf(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? undefined : ms
}
