import { createHash } from 'node:crypto'
import {
  isAlreadyExists,
  isConflict,
  isNotFound,
  type KubeClient,
  resources,
  type SecretProviderClassPodStatus,
  statusAnnotations,
} from '#kubernetes/client'
import { Code } from '#kubernetes/grpc'
import { retry } from '#lib/async'
import { parseTargetPath } from './mount/target-path.ts'
import type { Volume } from './mount/volumes.ts'
import { PublishError } from './rpc/publish-error.ts'

/** Marks the status objects of one node. */
export const nodeLabel = 'internal.secrets-store.csi.k8s.io/node-name'

/** Which object stands for a volume. */
export interface StatusRef {
  name: string
  uid: string
}

type Recorded = Omit<Volume, 'status' | 'request' | 'digest'>

/** The SecretProviderClassPodStatus objects of this node's volumes. */
export interface PodStatuses {
  /** Creates the object of a volume, or takes over the one that an earlier driver or node left. */
  record(volume: Recorded): Promise<StatusRef>
  /** Writes what changed since. An object that somebody deleted is made anew. */
  update(volume: Volume): Promise<StatusRef>
  /** All objects that carry this node's name. */
  list(): Promise<SecretProviderClassPodStatus[]>
}

export function createPodStatuses(options: { kube: KubeClient; nodeId: string; rotation: boolean }): PodStatuses {
  const { kube, nodeId, rotation } = options
  const resource = resources.secretProviderClassPodStatuses
  const nodeName = labelValue(nodeId)

  function objectFor(volume: Recorded, name: string): SecretProviderClassPodStatus {
    const { pod } = volume
    return {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClassPodStatus',
      metadata: {
        name,
        namespace: pod.namespace,
        labels: { [nodeLabel]: nodeName },
        annotations: withoutNull(annotationsOf(volume, rotation)),
        // A pod without uid cannot own: kubelet always sends it, bare test tools do not.
        ...(pod.uid === ''
          ? {}
          : { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid }] }),
      },
      status: statusOf(volume),
    }
  }

  /** Creates under this name; an object in the way is overwritten when it is this volume's own from earlier. */
  async function createOrTake(volume: Recorded, name: string): Promise<SecretProviderClassPodStatus | undefined> {
    const wanted = objectFor(volume, name)
    try {
      return await kube.create(resource, wanted)
    } catch (error) {
      if (!isAlreadyExists(error)) throw error
    }
    const existing = await kube.get(resource, { name, namespace: volume.pod.namespace })
    if (!standsFor(existing, volume)) return undefined
    const { metadata } = existing
    return kube.replace(resource, {
      ...wanted,
      metadata: {
        ...metadata,
        labels: { ...metadata.labels, ...wanted.metadata.labels },
        annotations: { ...metadata.annotations, ...wanted.metadata.annotations },
        ownerReferences: wanted.metadata.ownerReferences ?? [],
      },
    })
  }

  async function record(volume: Recorded): Promise<StatusRef> {
    const passing = (error: unknown) => isConflict(error) || isNotFound(error)
    try {
      const object = await retry(
        async () =>
          (await createOrTake(volume, statusName(volume))) ?? (await createOrTake(volume, uniqueStatusName(volume))),
        { attempts: 4, initialMs: 20, shouldRetry: passing },
      )
      if (object === undefined) throw new Error(`${uniqueStatusName(volume)} belongs to another volume`)
      return { name: object.metadata.name ?? '', uid: object.metadata.uid ?? '' }
    } catch (error) {
      const what = `failed to create or update the SecretProviderClassPodStatus of pod ${volume.pod.namespace}/${volume.pod.name}`
      throw PublishError.because('FailedToWritePodStatus', Code.UNKNOWN, what, error)
    }
  }

  return {
    record,
    async update(volume) {
      const patch = { metadata: { annotations: annotationsOf(volume, rotation) }, status: statusOf(volume) }
      try {
        await kube.patch(resource, { name: volume.status.name, namespace: volume.pod.namespace }, patch)
        return { name: volume.status.name, uid: volume.status.uid }
      } catch (error) {
        if (isNotFound(error)) return record(volume)
        throw PublishError.because(
          'FailedToWritePodStatus',
          Code.UNKNOWN,
          `failed to update ${volume.status.name}`,
          error,
        )
      }
    },
    list: async () => (await kube.list(resource, { labelSelector: `${nodeLabel}=${nodeName}` })).items,
  }
}

function statusOf({
  pod,
  className,
  targetPath,
  versions,
}: Recorded): NonNullable<SecretProviderClassPodStatus['status']> {
  return {
    podName: pod.name,
    secretProviderClassName: className,
    mounted: true,
    targetPath,
    objects: versions.map(({ id, version }) => ({ id, version })),
  }
}

/** Null removes an annotation in a merge patch. */
function annotationsOf(volume: Recorded, rotation: boolean): Record<string, string | null> {
  return {
    [statusAnnotations.lastCheck]: timeText(volume.lastCheckAt),
    [statusAnnotations.lastChange]: timeText(volume.lastChangeAt),
    [statusAnnotations.nextCheck]: rotation ? timeText(volume.nextCheckAt) : null,
    [statusAnnotations.lastFailure]: volume.failure?.message.slice(0, 1024) ?? null,
    [statusAnnotations.rotatedFor]: volume.seenClass.rotateRequest ?? null,
  }
}

function withoutNull(annotations: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter((entry): entry is [string, string] => entry[1] !== null))
}

function timeText(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/**
 * Whether an existing object is this volume's: the same pod name and class, and not the object of another volume of the
 * very same pod. A pod of a StatefulSet comes back under its name with a new uid: that is the same.
 */
function standsFor({ metadata, status }: SecretProviderClassPodStatus, volume: Recorded): boolean {
  if (status?.podName !== undefined && status.podName !== volume.pod.name) return false
  if (status?.secretProviderClassName !== undefined && status.secretProviderClassName !== volume.className) return false
  const samePod = (metadata.ownerReferences ?? []).some(({ uid }) => uid === volume.pod.uid)
  return !samePod || status?.targetPath === undefined || sameVolume(status.targetPath, volume.targetPath)
}

function sameVolume(recorded: string, target: string): boolean {
  const [a, b] = [parseTargetPath(recorded), parseTargetPath(target)]
  return a === undefined || b === undefined ? recorded === target : a.podUid === b.podUid && a.volume === b.volume
}

const maxNameLength = 253

/** The field's name for the object, which tools look up; a longer one than Kubernetes allows gets a hash at its end. */
export function statusName(volume: Pick<Recorded, 'pod' | 'className' | 'target'>): string {
  const name = `${volume.pod.name}-${volume.pod.namespace}-${volume.className}`
  return name.length <= maxNameLength ? name : uniqueStatusName(volume)
}

/** For the second volume of a pod with the same class, and for two pairs of pod and class that spell the same name. */
export function uniqueStatusName({ pod, className, target }: Pick<Recorded, 'pod' | 'className' | 'target'>): string {
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
