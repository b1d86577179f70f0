import { createHash } from 'node:crypto'
import {
  isAlreadyExists,
  isConflict,
  isNotFound,
  resources,
  type SecretProviderClassPodStatus,
  statusAnnotations,
} from '#kubernetes/client'
import { errorMessage, timestamp } from '#lib'
import { backoffMs, retry } from '#lib/async'
import { formatDuration } from '#lib/formats'
import { parseTargetPath } from './mount/target-path.ts'
import { logKeys, type Volume, type VolumeStatus } from './mount/volumes.ts'
import type { Node } from './node.ts'

/** Marks the status objects of one node. */
export const nodeLabel = 'internal.secrets-store.csi.k8s.io/node-name'

const resource = resources.secretProviderClassPodStatuses

/** The status objects that carry this node's name. */
export async function listStatuses(
  { kube, config }: Node,
  signal: AbortSignal,
): Promise<SecretProviderClassPodStatus[]> {
  const { items } = await kube.list(resource, { labelSelector: `${nodeLabel}=${labelValue(config.nodeId)}`, signal })
  return items
}

const backoff = { initialMs: 15_000, maxMs: 300_000 }

/**
 * Brings the status object of a volume up to date. What a volume holds does not depend on its status object, so a failure is
 * logged and tried again later (see status-retries.ts); rejects only when `signal` aborts.
 */
export async function saveStatus(node: Node, volume: Volume, signal: AbortSignal): Promise<void> {
  const { volumes, clock, log } = node
  try {
    const ref = await writeStatus(node, volume, signal)
    const written = { ...ref, writtenAt: clock.elapsed(), nextCheckAt: volume.nextCheckAt }
    volumes.update(volume.target, { status: { ...written, retry: retryAfter(node, volume) } })
  } catch (error) {
    signal.throwIfAborted()
    const times = (volume.status.retry?.times ?? 0) + 1
    const at = clock.elapsed() + backoffMs(times, backoff)
    volumes.update(volume.target, { status: { ...volume.status, retry: { at, times } } })
    const what = 'the SecretProviderClassPodStatus of the volume could not be written; it is tried again'
    log.warn({ ...logKeys(volume), times }, `${what}: ${errorMessage(error)}`)
  }
}

/** The write that has to follow one of this state of the volume, because more happened during it. */
function retryAfter(node: Node, written: Volume): VolumeStatus['retry'] {
  const current = node.volumes.get(written.target)
  if (current === undefined) return undefined
  // Another write, which ended first, may have named a later check: this one has replaced it.
  if (current.nextCheckAt - written.nextCheckAt > node.statusIntervalMs) return dueNow(node, current).retry
  // The Secrets may have been written meanwhile.
  return current.mirroredFor === written.mirroredFor ? undefined : current.status.retry
}

/** The state of a status object that is to be written now, by status-retries.ts. */
export function dueNow({ clock }: Node, { status }: Volume): VolumeStatus {
  return { ...status, retry: { at: clock.elapsed(), times: 0 } }
}

type StatusRef = Pick<VolumeStatus, 'name' | 'uid'>

/** Patches the object. Creates one that does not exist, or takes over the one that an earlier driver or node left. */
async function writeStatus(node: Node, volume: Volume, signal: AbortSignal): Promise<StatusRef> {
  const { name, uid } = volume.status
  if (uid === '') return createStatus(node, volume, signal)
  const patch = { metadata: { annotations: annotationsOf(node, volume) }, status: statusOf(volume) }
  try {
    const { metadata } = await node.kube.patch(resource, { name, namespace: volume.pod.namespace }, patch, { signal })
    // Another one than before, where it was deleted and the answer to its creation was lost.
    return { name, uid: metadata.uid ?? uid }
  } catch (error) {
    if (isNotFound(error)) return createStatus(node, volume, signal)
    throw error
  }
}

async function createStatus(node: Node, volume: Volume, signal: AbortSignal): Promise<StatusRef> {
  const create = async () =>
    (await createOrTake(node, volume, statusName(volume), signal)) ??
    (await createOrTake(node, volume, uniqueStatusName(volume), signal))
  const shouldRetry = (error: unknown) => isConflict(error) || isNotFound(error)
  const object = await retry(create, { attempts: 4, initialMs: 20, shouldRetry, signal, clock: node.clock })
  if (object === undefined) throw new Error(`${uniqueStatusName(volume)} belongs to another volume`)
  return { name: object.metadata.name ?? '', uid: object.metadata.uid ?? '' }
}

/** Creates under this name; an existing object is overwritten if it is this volume's own from earlier. */
async function createOrTake(
  node: Node,
  volume: Volume,
  name: string,
  signal: AbortSignal,
): Promise<SecretProviderClassPodStatus | undefined> {
  const { kube } = node
  const wanted = objectFor(node, volume, name)
  try {
    return await kube.create(resource, wanted, { signal })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
  const existing = await kube.get(resource, { name, namespace: volume.pod.namespace }, { signal })
  if (!isStatusOf(existing, volume)) return undefined
  const { metadata } = existing
  const { startedWith, mirroredFor } = statusAnnotations
  const { [startedWith]: started, [mirroredFor]: mirrored, ...others } = metadata.annotations ?? {}
  // What another pod of this name started with has no meaning for this one.
  const ofThisPod = { [startedWith]: started, [mirroredFor]: mirrored }
  const before = isOwnedBy(existing, volume) ? ofThisPod : {}
  const taken = {
    ...metadata,
    labels: { ...metadata.labels, ...wanted.metadata.labels },
    annotations: { ...others, ...defined(before), ...wanted.metadata.annotations },
    ownerReferences: wanted.metadata.ownerReferences ?? [],
  }
  return kube.replace(resource, { ...wanted, metadata: taken }, { signal })
}

function objectFor(node: Node, volume: Volume, name: string): SecretProviderClassPodStatus {
  const { pod } = volume
  // A pod without a uid cannot be an owner: kubelet always sends it, bare test tools do not.
  const owners = pod.uid === '' ? [] : [{ apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid }]
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: {
      name,
      namespace: pod.namespace,
      labels: { [nodeLabel]: labelValue(node.config.nodeId) },
      annotations: withoutNull(annotationsOf(node, volume)),
      ownerReferences: owners,
    },
    status: statusOf(volume),
  }
}

function statusOf({
  pod,
  className,
  targetPath,
  versions,
}: Volume): NonNullable<SecretProviderClassPodStatus['status']> {
  return {
    podName: pod.name,
    secretProviderClassName: className,
    mounted: true,
    targetPath,
    objects: versions.map(({ id, version }) => ({ id, version })),
  }
}

/** Null removes an annotation in a merge patch. */
function annotationsOf({ config, clock }: Node, volume: Volume): Record<string, string | null> {
  const nextCheckAt = clock.now() + volume.nextCheckAt - clock.elapsed()
  return {
    [statusAnnotations.lastCheck]: timeText(volume.lastCheckAt),
    [statusAnnotations.lastChange]: timeText(volume.lastChangeAt),
    [statusAnnotations.nextCheck]: config.rotation ? timeText(nextCheckAt) : null,
    [statusAnnotations.pollInterval]: volume.quietMs === undefined ? null : formatDuration(volume.quietMs),
    [statusAnnotations.secrets]: volume.secrets.length === 0 ? null : volume.secrets.join(','),
    [statusAnnotations.lastFailure]: volume.failure?.message.slice(0, 1024) ?? null,
    [statusAnnotations.failingSince]: timeText(volume.failure?.since ?? 0),
    [statusAnnotations.failureCode]: volume.failure?.code ?? null,
    [statusAnnotations.staleSince]: timeText(volume.stale?.since ?? 0),
    [statusAnnotations.rotatedFor]: volume.seenClass.rotateRequest ?? null,
    [statusAnnotations.classGeneration]: volume.seenClass.generation?.toString() ?? null,
    [statusAnnotations.changedFor]: volume.seenClass.changeId ?? null,
    // Where they are not known, what was recorded stays.
    ...defined({
      [statusAnnotations.startedWith]: volume.startedWith,
      [statusAnnotations.mirroredFor]: volume.mirroredFor,
    }),
  }
}

function defined(annotations: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

function withoutNull(annotations: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter((entry): entry is [string, string] => entry[1] !== null))
}

function timeText(ms: number): string | null {
  return ms <= 0 ? null : timestamp(ms)
}

/**
 * Whether an existing object is this volume's: the same pod name and class, and not the object of another volume of the
 * very same pod. A pod of a StatefulSet comes back under its name with a new uid: that is the same.
 */
function isStatusOf({ metadata, status }: SecretProviderClassPodStatus, volume: Volume): boolean {
  if (status?.podName !== undefined && status.podName !== volume.pod.name) return false
  if (status?.secretProviderClassName !== undefined && status.secretProviderClassName !== volume.className) return false
  return (
    !isOwnedBy({ metadata }, volume) ||
    status?.targetPath === undefined ||
    isSameVolume(status.targetPath, volume.targetPath)
  )
}

function isOwnedBy({ metadata }: Pick<SecretProviderClassPodStatus, 'metadata'>, { pod }: Volume): boolean {
  return (metadata.ownerReferences ?? []).some(({ uid }) => uid === pod.uid)
}

function isSameVolume(recorded: string, target: string): boolean {
  const [a, b] = [parseTargetPath(recorded), parseTargetPath(target)]
  return a === undefined || b === undefined ? recorded === target : a.podUid === b.podUid && a.volume === b.volume
}

const maxNameLength = 253

type Named = Pick<Volume, 'pod' | 'className' | 'target'>

/** Upstream's name of the object, which tools look up; a longer one than Kubernetes allows ends in a hash. */
export function statusName(volume: Named): string {
  const name = `${volume.pod.name}-${volume.pod.namespace}-${volume.className}`
  return name.length <= maxNameLength ? name : uniqueStatusName(volume)
}

/** For the second volume of a pod with the same class, and for two pairs of pod and class that spell the same name. */
export function uniqueStatusName({ pod, className, target }: Named): string {
  const volume = parseTargetPath(target)?.volume ?? target
  const hash = shortHash([pod.name, pod.namespace, className, volume].join('\0'))
  return `${`${pod.name}-${pod.namespace}-${className}`.slice(0, maxNameLength - hash.length - 1)}-${hash}`
}

/** A label's value has at most 63 characters, a node's name up to 253. */
export function labelValue(text: string): string {
  return text.length <= 63 ? text : `${text.slice(0, 52)}-${shortHash(text)}`
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 10)
}
