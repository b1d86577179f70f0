import {
  isConflict,
  isForbidden,
  isNotFound,
  type KubeClient,
  type OwnerReference,
  resources,
  type Secret,
} from '#kubernetes/client'
import { errorMessage } from '#lib'
import { retry } from '#lib/async'
import type { WantedSecret } from './wanted-secret.ts'

/** Marks the Secrets that mirror volumes; only those are ours to change. */
export const managedLabel = 'secrets-store.csi.k8s.io/managed'

/** Which class writes a Secret: two classes of one name for it must not write in turn for ever. */
const classAnnotation = 'keymount.dev/class'

/** Under this name the API server keeps account of the fields that are ours. */
const fieldManager = 'keymount-driver'

export interface SecretTarget {
  namespace: string
  className: string
  wanted: WantedSecret
  /** Who the Secret must outlive: it goes with the last of them. */
  owners: readonly OwnerReference[]
  /** A pod that starts brings its class's content; a later look leaves a Secret to the class that wrote it last. */
  takeOver: boolean
}

export type SecretOutcome = 'written' | 'unchanged' | 'other-class'

/**
 * Brings one Secret up to date. By server-side apply: labels, annotations, keys and owners of others survive, keys that the
 * class no longer names go. Owners are added by a merge on their uid, so that pods of other nodes, which do the same at the
 * same time, are never lost. Writes nothing when nothing is to be changed. Throws with a message for the pod's event.
 */
export async function writeSecret(kube: KubeClient, target: SecretTarget): Promise<SecretOutcome> {
  try {
    return await retry(() => bringUpToDate(kube, target), { attempts: 4, initialMs: 20, shouldRetry: isConflict })
  } catch (error) {
    const why = isForbidden(error) ? syncIsOff(error) : errorMessage(error)
    throw new Error(`Secret "${target.wanted.name}": ${why}`, { cause: error })
  }
}

/** What to tell of a right that is missing: rights of several kinds come with one setting. */
export function syncIsOff(error: unknown): string {
  return `the driver was installed without syncSecret.enabled=true, so it keeps no Kubernetes Secrets: ${errorMessage(error)}`
}

async function bringUpToDate(kube: KubeClient, target: SecretTarget): Promise<SecretOutcome> {
  const { namespace, className, wanted, owners, takeOver } = target
  const ref = { namespace, name: wanted.name }
  const existing = await kube.get(resources.secrets, ref).catch((error: unknown) => {
    if (isNotFound(error)) return undefined
    throw error
  })
  if (existing !== undefined) {
    if (existing.metadata.labels?.[managedLabel] !== 'true') {
      throw new Error(`it exists and is not managed by the driver (no label ${managedLabel}=true); delete or rename it`)
    }
    const writer = existing.metadata.annotations?.[classAnnotation]
    if (!takeOver && writer !== undefined && writer !== className) return 'other-class'
  }
  const next = secretObject(target)
  const stale = existing === undefined || !holds(existing, next)
  const written = stale ? await kube.apply(resources.secrets, next, { fieldManager }) : existing
  const missing = owners.filter(
    ({ uid }) => !(written.metadata.ownerReferences ?? []).some((owner) => owner.uid === uid),
  )
  if (missing.length > 0) {
    // The uid is a precondition: a Secret that was deleted and made anew in between is looked at again.
    const patch = { metadata: { uid: written.metadata.uid, ownerReferences: missing } }
    await kube.patch(resources.secrets, ref, patch, { type: 'strategic', fieldManager })
  }
  return stale || missing.length > 0 ? 'written' : 'unchanged'
}

function secretObject({ namespace, className, wanted }: SecretTarget): Secret {
  const { name, type, labels, annotations, data } = wanted
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      labels: { ...labels, [managedLabel]: 'true' },
      annotations: { ...annotations, [classAnnotation]: className },
    },
    type,
    data: Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value.reveal()).toString('base64')]),
    ),
  }
}

/** Whether `existing` has all that `next` says, and nothing that was ours and is no longer said. */
function holds(existing: Secret, next: Secret): boolean {
  const includes = (all: Record<string, string> | undefined, some: Record<string, string> | undefined) =>
    Object.entries(some ?? {}).every(([key, value]) => all?.[key] === value)
  return (
    existing.type === next.type &&
    includes(existing.data, next.data) &&
    includes(existing.metadata.labels, next.metadata.labels) &&
    includes(existing.metadata.annotations, next.metadata.annotations) &&
    ownedDataKeys(existing).every((key) => next.data?.[key] !== undefined)
  )
}

/** https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management */
function ownedDataKeys({ metadata }: Secret): string[] {
  const entries = (metadata.managedFields ?? []) as {
    manager?: string
    operation?: string
    fieldsV1?: Record<string, object>
  }[]
  const ours = entries.find(({ manager, operation }) => manager === fieldManager && operation === 'Apply')
  return Object.keys(ours?.fieldsV1?.['f:data'] ?? {})
    .filter((key) => key.startsWith('f:'))
    .map((key) => key.slice(2))
}
