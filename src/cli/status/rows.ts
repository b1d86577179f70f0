/**
 * The rows of `keymount status` and of the dashboard, one type for each view. Times are RFC 3339; what is not known is null.
 * This file and what it imports also run in the browser.
 */
export type Tone = 'good' | 'warn' | 'bad' | 'quiet'

export interface RowBase {
  /** Of its object; stays the same while that is there. */
  key: string
  state: string
  tone: Tone
}

export interface VolumeRow extends RowBase {
  /**
   * `fresh`; `waiting`: the pod has not started yet; `overdue`: its driver has missed a check; `stale`: values from before an outage;
   * `failing`: the last check failed, the old files stay; `pinned`: the class asks for one version; `restart`: the containers
   * started with older versions, and the workload asks for a restart; `static`: the driver does not rotate.
   */
  state: 'fresh' | 'waiting' | 'overdue' | 'stale' | 'failing' | 'pinned' | 'restart' | 'static'
  namespace: string
  /** `deployment/web`; `pod/web` for a pod without a controller. */
  workload: string
  pod: string
  node: string
  class: string
  objects: readonly ObjectVersion[]
  objectCount: number
  /** Of all versions together; null before the first mount. */
  version: string | null
  /** Whether all pods of the workload have these versions; null if it has one pod. */
  agrees: boolean | null
  created: string | null
  lastCheck: string | null
  nextCheck: string | null
  lastChange: string | null
  code: string | null
  message: string | null
  since: string | null
  fix: readonly string[]
}

export interface ObjectVersion {
  id: string
  version: string
}

export interface ObjectRow extends RowBase {
  /** `same`: all pods have one version; `mixed`: they have several; `unread`: no pod has mounted it; with `--azure` also `behind`, `expires` and `expired`. */
  state: 'same' | 'mixed' | 'unread' | 'behind' | 'expires' | 'expired'
  vault: string
  /** `secret/db`. */
  object: string
  namespaces: readonly string[]
  classes: readonly string[]
  pods: number
  /** Those in use, the most used first. */
  versions: readonly VersionUse[]
  /** The newest that is known: from the pods, or with `--azure` from the vault. */
  newest: string | null
  expires: string | null
  lastChange: string | null
}

export interface VersionUse {
  version: string
  pods: number
}

export interface ClassRow extends RowBase {
  /** `invalid`: pods cannot mount it; `failing`: a volume fails; `warnings`: lint has found something; `unused`: no pod mounts it. */
  state: 'ok' | 'invalid' | 'failing' | 'warnings' | 'unused'
  namespace: string
  class: string
  provider: string
  vaults: readonly string[]
  pods: number
  failing: number
  /** The way to sign in and who does: `workload 11111111-…`. */
  identity: string
  /** How often volumes are polled: a Go duration, or `off` where the driver does not rotate; null where it is not known. */
  interval: string | null
  /** Secrets that it makes. */
  secrets: readonly string[]
  problems: readonly ClassProblem[]
}

export interface ClassProblem {
  /** An id of `keymount lint`, such as KL004. */
  code: string
  severity: 'error' | 'warning' | 'info'
  text: string
}

export interface SecretRow extends RowBase {
  /** `behind`: the files are newer than the Secret, or it was never written; `pending`: no pod mounts the class yet. */
  state: 'ready' | 'not ready' | 'behind' | 'pending'
  namespace: string
  secret: string
  type: string
  /** `SecretSync` or `secretObjects`. */
  source: 'SecretSync' | 'secretObjects'
  class: string
  keys: readonly string[]
  lastWritten: string | null
  /** Workloads that are restarted when it changes. */
  restarts: readonly string[]
  message: string | null
  fix: readonly string[]
}

export interface NodeRow extends RowBase {
  state: 'ok' | 'failing' | 'not ready' | 'warnings'
  node: string
  driver: string
  provider: string
  volumes: number
  failing: number
  message: string | null
  fix: readonly string[]
}

export interface ProblemRow extends RowBase {
  state: 'error' | 'warning'
  code: string
  /** Where: a class, a node, a SecretSync, or the cluster. */
  where: string
  namespace: string
  text: string
  meaning: string
  since: string | null
  affected: readonly string[]
  affectedCount: number
  fix: readonly string[]
}

export interface EventRow extends RowBase {
  state: 'rotation' | 'failure' | 'restart' | 'push' | 'secret' | 'outage'
  at: string | null
  reason: string
  namespace: string
  /** `pod/web-1`. */
  object: string
  message: string
  count: number
}

export interface Rows {
  volumes: readonly VolumeRow[]
  objects: readonly ObjectRow[]
  classes: readonly ClassRow[]
  secrets: readonly SecretRow[]
  nodes: readonly NodeRow[]
  problems: readonly ProblemRow[]
  events: readonly EventRow[]
}

export type ViewName = keyof Rows
export type Row<V extends ViewName = ViewName> = Rows[V][number]
