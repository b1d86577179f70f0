import { shortHash } from '#kubernetes/client'
import { nextOpening, type RestartWindow } from './restart-window.ts'

/** One class that a pod has mounted. Times are milliseconds since the epoch. */
export interface MountView {
  className: string
  /** Version hash of the files now. */
  have: string
  /** Version hash that the containers started with; undefined from a driver that does not record it. */
  startedWith: string | undefined
  /** Version hash that the Secrets of the class carry; undefined before they were written. */
  mirroredFor: string | undefined
  /** When the files last changed; undefined when that is not known. */
  changedAt: number | undefined
}

/** A pod of the workload that is neither terminating nor finished. */
export interface PodView {
  name: string
  createdAt: number
  /** Key that its template was rolled out for; undefined when there was no restart before it was created. */
  restartedFor?: string | undefined
  /** Of the classes that count. Empty before the first volume is mounted. */
  mounts: readonly MountView[]
  /**
   * When the first of its containers started that may hold a value from its start; Infinity when all of them start again
   * anyway. Undefined when it is not known.
   */
  containersStartedAt?: number | undefined
  /** Whether that was looked up for this decision; otherwise it may have become later. */
  inspected?: boolean | undefined
}

/** A SecretSync that names the workload. */
export interface SyncView {
  name: string
  /** `status.syncHash`. */
  hash: string
  syncedAt: number
}

export interface WorkloadView {
  /** Key that the current template was rolled out for. */
  restartedFor: string | undefined
  /** When that was; undefined when it never was. */
  restartedAt: number | undefined
  /** Of a kind that is restarted by a time: changes until then are covered by its last restart. */
  coversUntil?: number | undefined
  paused: boolean
  rollingOut: boolean
  /** Whether pods of an older template are replaced without being deleted by hand. */
  replacesPods: boolean
}

export interface RestartInput {
  now: number
  workload: WorkloadView
  pods: readonly PodView[]
  syncs: readonly SyncView[]
  /** Classes that write Secrets (`secretObjects`). */
  mirrored: ReadonlySet<string>
  /** How long pods may disagree, from the first change on. */
  agreeTimeoutMs: number
  minIntervalMs: number
  /** Empty: any time. */
  windows: readonly RestartWindow[]
}

export type WaitReason = 'agreement' | 'secret' | 'again' | 'paused' | 'rollout' | 'min-interval' | 'window'

/** A restart that is due. */
export interface DueRestart {
  /** Names what the pods have now, of all classes and SecretSyncs that count. */
  key: string
  /** The first of the changes that make pods stale. */
  since: number
  /** The last of them. */
  latest: number
  /** Names, oldest change first. */
  stalePods: readonly string[]
}

export type Decision =
  /** `triggered`: the template was rolled out for this key already. */
  | { action: 'none'; reason: 'not-mounted' | 'older-driver' | 'fresh' | 'triggered' }
  | ({ action: 'wait'; reason: WaitReason; untilMs: number | undefined } & DueRestart)
  /** Whether this pod is stale decides, and only the state of its containers shows that. */
  | ({ action: 'inspect'; pod: string; agreed: boolean; replacesPods: boolean } & DueRestart)
  /** A user has to delete the pods. */
  | ({ action: 'report' } & DueRestart)
  | ({ action: 'restart'; agreed: boolean } & DueRestart)

/**
 * A workload is restarted when a pod of it started with other versions than it has now, all its pods agree on the versions
 * that they have now, and the template was not rolled out for these versions before. A function of the state of the
 * cluster alone: a second caller, or one that was restarted, decides the same.
 */
export function decide(input: RestartInput): Decision {
  const { workload, now } = input
  const unmounted = nothingToCompare(input)
  if (unmounted !== undefined) return { action: 'none', reason: unmounted }
  const stale = stalePods(input)
  if (stale.length === 0) return { action: 'none', reason: 'fresh' }
  const due = {
    key: restartKey(input),
    since: Math.min(...stale.map(({ first }) => first)),
    latest: Math.max(...stale.map(({ last }) => last)),
    stalePods: stale.map(({ pod }) => pod.name),
  }
  const wait = (reason: WaitReason, untilMs?: number): Decision => ({ action: 'wait', reason, untilMs, ...due })

  const agreed = agree(input)
  const patienceEndsAt = due.since + input.agreeTimeoutMs
  if (!agreed && now < patienceEndsAt) return wait('agreement', patienceEndsAt)
  if (!isMirrored(input)) return wait('secret')
  if ((workload.coversUntil ?? Number.NEGATIVE_INFINITY) >= due.latest) return { action: 'none', reason: 'triggered' }
  const sameKeys = [due.key, shortHash([due.key, 'again'])]
  if (sameKeys.includes(workload.restartedFor ?? '')) {
    const startedOld = stale.some(({ pod }) => pod.restartedFor === workload.restartedFor)
    if (!startedOld || workload.rollingOut) return { action: 'none', reason: 'triggered' }
    const earliest = (workload.restartedAt ?? now) + againMs
    if (now < earliest) return wait('again', earliest)
    due.key = sameKeys.find((one) => one !== workload.restartedFor) ?? due.key
  }
  const confirmed = stale.some(({ pod }) => pod.inspected)
  const pod = stale[0]?.pod.name ?? ''
  const inspect: Decision = { action: 'inspect', pod, agreed, replacesPods: workload.replacesPods, ...due }
  if (!workload.replacesPods) return confirmed ? { action: 'report', ...due } : inspect
  if (workload.paused) return wait('paused')
  if (workload.rollingOut) return wait('rollout')
  const earliest = (workload.restartedAt ?? Number.NEGATIVE_INFINITY) + input.minIntervalMs
  // A time in the future is of a clock that was set back since.
  if (now < earliest && (workload.restartedAt ?? now) <= now) return wait('min-interval', earliest)
  const opening = nextOpening(input.windows, now)
  if (opening > now) return wait('window', opening)
  return confirmed ? { action: 'restart', agreed, ...due } : inspect
}

/**
 * A value that changed back while a workload was rolled out for it, and then changed again, leaves pods that started with the
 * value in between, of a template that was rolled out for the present one. They are restarted too, but so late that a provider
 * which always answers a start with older versions costs one restart an hour.
 */
const againMs = 3_600_000

/** Whether any pod may be stale: without the workload itself, to find out whether it has to be read. */
export function mayBeStale(input: Pick<RestartInput, 'pods' | 'syncs' | 'mirrored'>): boolean {
  return staleSince(input) !== undefined
}

/** The first change that may have made a pod stale. */
export function staleSince(input: Pick<RestartInput, 'pods' | 'syncs' | 'mirrored'>): number | undefined {
  return nothingToCompare(input) === undefined ? stalePods(input)[0]?.first : undefined
}

/** The key of what the pods have now: the set of version hashes of each class, and the hash of each SecretSync. */
export function restartKey({ pods, syncs }: Pick<RestartInput, 'pods' | 'syncs'>): string {
  const mounts = pods.flatMap((pod) => pod.mounts.map(({ className, have }) => `class/${className}=${have}`))
  return shortHash([...new Set(mounts), ...syncs.map(({ name, hash }) => `sync/${name}=${hash}`)])
}

function nothingToCompare({
  pods,
  syncs,
}: Pick<RestartInput, 'pods' | 'syncs'>): 'not-mounted' | 'older-driver' | undefined {
  if (syncs.length > 0 && pods.length > 0) return undefined
  const mounts = pods.flatMap((pod) => pod.mounts)
  if (mounts.length === 0) return 'not-mounted'
  return mounts.every(({ startedWith }) => startedWith === undefined) ? 'older-driver' : undefined
}

interface StalePod {
  pod: PodView
  /** The first and the last change that its containers may not have seen. */
  first: number
  last: number
}

/** Oldest change first. */
function stalePods({ pods, syncs, mirrored }: Pick<RestartInput, 'pods' | 'syncs' | 'mirrored'>): StalePod[] {
  const found = pods.flatMap((pod) => {
    const changes = changesAfterStart(pod, syncs, mirrored)
    return changes.length === 0 ? [] : [{ pod, first: Math.min(...changes), last: Math.max(...changes) }]
  })
  return found.toSorted((a, b) => a.first - b.first || (a.pod.name < b.pod.name ? -1 : 1))
}

/** What a pod has that its containers did not start with: when each of them changed. */
function changesAfterStart(pod: PodView, syncs: readonly SyncView[], mirrored: ReadonlySet<string>): number[] {
  const { containersStartedAt = Number.NEGATIVE_INFINITY } = pod
  const mounts = pod.mounts.flatMap(({ className, have, startedWith, changedAt = 0 }) => {
    if (startedWith === undefined || startedWith === have) return []
    // Without a time nothing shows that the containers started later.
    const seenBy = changedAt === 0 ? Number.POSITIVE_INFINITY : changedAt + (mirrored.has(className) ? mirrorMs : 0)
    return containersStartedAt > seenBy ? [] : [changedAt]
  })
  const secrets = syncs.flatMap(({ syncedAt }) =>
    pod.createdAt < syncedAt && containersStartedAt <= syncedAt ? [syncedAt] : [],
  )
  return [...mounts, ...secrets]
}

/** A container that started this soon after a change may have got its environment from the Secret as it was before. */
const mirrorMs = 60_000

/** Whether all pods that mount a class have the same versions of it. */
function agree({ pods }: RestartInput): boolean {
  const have = new Map<string, string>()
  for (const { mounts } of pods) {
    for (const mount of mounts) {
      const other = have.get(mount.className) ?? mount.have
      if (other !== mount.have) return false
      have.set(mount.className, mount.have)
    }
  }
  return true
}

/** Whether the Secrets of stale classes carry what the pods have: an environment comes from there. */
function isMirrored({ pods, mirrored }: RestartInput): boolean {
  const stale = new Set(
    pods.flatMap(({ mounts }) =>
      mounts
        .filter(({ startedWith, have }) => startedWith !== undefined && startedWith !== have)
        .map(({ className }) => className),
    ),
  )
  return pods.every(({ mounts }) =>
    mounts.every(
      ({ className, have, mirroredFor }) => !mirrored.has(className) || !stale.has(className) || mirroredFor === have,
    ),
  )
}
