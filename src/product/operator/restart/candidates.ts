import { ifFound, type KubeClient, parseSyncInterval, resources } from '#kubernetes/client'
import type { ClusterView, MountRecord, PodRecord } from './cluster-view.ts'
import type { MountView, PodView, SyncView } from './decide.ts'
import { parseSettings, type RestartSettings, targetSettings } from './restart-settings.ts'
import { isWorkloadKind, type WorkloadKind, type WorkloadRef, workloadKey } from './workload-kinds.ts'

export interface CandidateConfig {
  /** Obey stakater/Reloader's annotations too. */
  reloaderAnnotations: boolean
  /** Guess the start of pods of a driver that does not record it. */
  guess: boolean
  /** The drivers' rotation interval, for classes without `syncInterval`. */
  rotationIntervalMs: number
  /** Default: twice the interval of the class and 30 s. */
  agreeTimeoutMs?: number | undefined
}

export interface CandidateWorld {
  kube: KubeClient
  view: ClusterView
  config: CandidateConfig
  /** Which workload each ReplicaSet belongs to, by its uid; undefined for none of ours. */
  replicaSets: Map<string, WorkloadRef | undefined>
  signal: AbortSignal
}

/** A workload that asks to be restarted, or that a SecretSync names, with all that the watches know about it. */
export interface Candidate {
  ref: WorkloadRef
  uid: string
  /** Of the workload's object. */
  version: string
  settings: RestartSettings
  pods: readonly CandidatePod[]
  syncs: readonly SyncView[]
  mirrored: ReadonlySet<string>
  agreeTimeoutMs: number
  /** Whether a time is guessed from a driver that does not record what a pod started with. */
  guessed: boolean
}

export interface CandidatePod extends PodView {
  uid: string
  /** Names of its status objects. */
  statusNames: readonly string[]
}

/** A pod that asks for restarts and that no workload of ours would replace. */
export interface LoosePod {
  name: string
  record: PodRecord
  pod: CandidatePod
}

export interface Candidates {
  workloads: readonly Candidate[]
  /** Bare pods, and pods of Jobs and of other makers. */
  loose: readonly LoosePod[]
}

interface NamespaceState {
  world: CandidateWorld
  namespace: string
  mounts: ReadonlyMap<string, readonly NamedMount[]>
  targeted: ReadonlyMap<string, readonly SyncView[]>
}

interface NamedMount {
  statusName: string
  mount: MountRecord
}

/** All candidates of a namespace. Reads nothing but ReplicaSets that it has not seen before. */
export async function candidatesIn(world: CandidateWorld, namespace: string): Promise<Candidates> {
  const state = { world, namespace, mounts: mountsByPod(world, namespace), targeted: targetsOf(world, namespace) }
  const pods = new Map<string, { ref: WorkloadRef; members: [string, PodRecord][] }>()
  const loose: LoosePod[] = []
  for (const [name, record] of world.view.pods.of(namespace)) {
    const ref = await workloadOf(state, record)
    if (ref !== undefined) {
      const group = pods.get(workloadKey(ref)) ?? { ref, members: [] }
      group.members.push([name, record])
      pods.set(workloadKey(ref), group)
    } else if (record.settings !== undefined && !isReplaced(record)) {
      const settings = parseSettings(record.settings, { reloader: world.config.reloaderAnnotations })
      if (settings !== undefined) loose.push({ name, record, pod: podView(state, settings, name, record) })
    }
  }
  const workloads = [...pods.values()].flatMap(({ ref, members }) => candidateOf(state, ref, members) ?? [])
  return { workloads, loose }
}

function mountsByPod({ view }: CandidateWorld, namespace: string): Map<string, NamedMount[]> {
  const found = [...view.mounts.of(namespace)].map(([statusName, mount]) => ({ statusName, mount }))
  return Map.groupBy(found, ({ mount }) => mount.podUid)
}

function targetsOf({ view }: CandidateWorld, namespace: string): Map<string, SyncView[]> {
  const targets = new Map<string, SyncView[]>()
  for (const [name, sync] of view.syncs.of(namespace)) {
    for (const target of sync.targets) {
      const key = workloadKey(target)
      targets.set(key, [...(targets.get(key) ?? []), { name, hash: sync.hash, syncedAt: sync.syncedAt }])
    }
  }
  return targets
}

/** Whether what made the pod makes another one of a new template. */
function isReplaced({ owner }: PodRecord): boolean {
  return owner !== undefined && (owner.kind === 'ReplicaSet' || isWorkloadKind(owner.kind))
}

/** The workload at the end of the owner chain, if restarts of it are asked for. */
async function workloadOf(state: NamespaceState, { owner, settings }: PodRecord): Promise<WorkloadRef | undefined> {
  if (owner === undefined) return undefined
  const { namespace } = state
  if (isWorkloadKind(owner.kind)) {
    const ref = { kind: owner.kind, namespace, name: owner.name }
    return isAsked(state, ref, settings) ? ref : undefined
  }
  if (owner.kind !== 'ReplicaSet') return undefined
  // A ReplicaSet's name is its workload's and a hash: most of them need not be read.
  const name = owner.name.slice(0, Math.max(owner.name.lastIndexOf('-'), 0))
  const kinds: WorkloadKind[] = ['Deployment', 'Rollout']
  if (!kinds.some((kind) => isAsked(state, { kind, namespace, name }, settings))) return undefined
  return ownerOfReplicaSet(state, owner)
}

function isAsked({ world, targeted }: NamespaceState, ref: WorkloadRef, settings: PodRecord['settings']): boolean {
  const record = world.view.workloads[ref.kind].get(ref.namespace, ref.name)
  if (record === undefined) return false
  return record.settings !== undefined || settings !== undefined || targeted.has(workloadKey(ref))
}

async function ownerOfReplicaSet(
  { world, namespace }: NamespaceState,
  { name, uid }: { name: string; uid: string },
): Promise<WorkloadRef | undefined> {
  const { kube, replicaSets, signal } = world
  if (!replicaSets.has(uid)) {
    if (replicaSets.size >= maxReplicaSets) replicaSets.clear()
    replicaSets.set(uid, await readOwner(kube, { name, namespace, uid }, signal))
  }
  return replicaSets.get(uid)
}

const maxReplicaSets = 20_000

async function readOwner(
  kube: KubeClient,
  { name, namespace, uid }: { name: string; namespace: string; uid: string },
  signal: AbortSignal,
): Promise<WorkloadRef | undefined> {
  const found = await ifFound(kube.get(resources.replicaSets, { name, namespace }, { signal }))
  const owner = found?.metadata.ownerReferences?.find(({ controller }) => controller === true)
  if (found?.metadata.uid !== uid || owner === undefined || !isWorkloadKind(owner.kind)) return undefined
  return { kind: owner.kind, namespace, name: owner.name }
}

function candidateOf(
  state: NamespaceState,
  ref: WorkloadRef,
  members: readonly (readonly [string, PodRecord])[],
): Candidate | undefined {
  const { world, targeted } = state
  const { view, config } = world
  const record = view.workloads[ref.kind].get(ref.namespace, ref.name)
  if (record === undefined) return undefined
  const annotations = { ...newest(members)?.settings, ...record.settings }
  const syncs = targeted.get(workloadKey(ref)) ?? []
  const settings =
    parseSettings(annotations, { reloader: config.reloaderAnnotations }) ??
    (syncs.length > 0 ? targetSettings(annotations) : undefined)
  if (settings === undefined) return undefined
  const pods = members.map(([name, pod]) => podView(state, settings, name, pod))
  const classes = new Set(pods.flatMap(({ mounts }) => mounts.map(({ className }) => className)))
  return {
    ref,
    uid: record.uid,
    version: record.version,
    settings,
    pods,
    syncs,
    mirrored: new Set([...classes].filter((name) => view.classes.get(ref.namespace, name)?.mirrored === true)),
    agreeTimeoutMs: config.agreeTimeoutMs ?? longestAgreement(state, classes),
    guessed: config.guess && members.some(([, pod]) => isGuessed(state, pod)),
  }
}

/** The pod of the newest template. */
function newest(members: readonly (readonly [string, PodRecord])[]): PodRecord | undefined {
  return members.map(([, pod]) => pod).toSorted((a, b) => b.createdAt - a.createdAt)[0]
}

function podView(
  { world, namespace, mounts }: NamespaceState,
  settings: RestartSettings,
  name: string,
  record: PodRecord,
): CandidatePod {
  const { view, config } = world
  const counts = ({ mount }: NamedMount) =>
    settings.counts(mount.className) &&
    !(config.reloaderAnnotations && view.classes.get(namespace, mount.className)?.ignored === true)
  const own = (mounts.get(record.uid) ?? []).filter(counts)
  return {
    name,
    uid: record.uid,
    createdAt: record.createdAt,
    restartedFor: record.restartedFor,
    containersStartedAt: record.containersStartedAt,
    mounts: own.map(({ mount }) => mountView(mount, config)),
    statusNames: own.map(({ statusName }) => statusName),
  }
}

/** The API server's times have whole seconds, and a driver may write an object twice at the start. */
const firstWriteMs = 2000

export function mountView(mount: MountRecord, { guess }: Pick<CandidateConfig, 'guess'>): MountView {
  const { className, have, startedWith, mirroredFor, changedAt } = mount
  if (startedWith !== undefined || !guess) return { className, have, startedWith, mirroredFor, changedAt }
  const guessedAt = changedAt ?? mount.writtenAt ?? 0
  const changed = guessedAt > (mount.createdAt ?? Number.POSITIVE_INFINITY) + firstWriteMs
  // Such a driver does not record either what the Secrets carry.
  return { className, have, startedWith: changed ? 'unknown' : have, mirroredFor: have, changedAt: guessedAt }
}

function isGuessed({ mounts }: NamespaceState, { uid }: PodRecord): boolean {
  return mounts.get(uid)?.some(({ mount }) => mount.startedWith === undefined) ?? false
}

function longestAgreement({ world, namespace }: NamespaceState, classes: ReadonlySet<string>): number {
  const { view, config } = world
  const intervals = [...classes].map(
    (name) => parseSyncInterval(view.classes.get(namespace, name)?.syncInterval ?? '') ?? config.rotationIntervalMs,
  )
  return 2 * Math.max(0, ...intervals) + 30_000
}
