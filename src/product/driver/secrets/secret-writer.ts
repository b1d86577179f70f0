import { ifFound, isConflict, type OwnerReference, resources, type Secret } from '#kubernetes/client'
import { newSecret } from '#kubernetes/secret-data'
import { orUndefined } from '#lib'
import { retry } from '#lib/async'
import { parseJson, recordOf, stringOf } from '#lib/formats'
import type { Node } from '../node.ts'
import { refusalText } from './refusal.ts'
import { classAnnotation, fieldManager, isManaged, managedLabel, unnamedAnnotation } from './secret-marks.ts'
import type { WantedSecret } from './wanted-secret.ts'

export interface SecretTarget {
  namespace: string
  className: string
  wanted: WantedSecret
  /** The Secret is deleted with the last of them. */
  owners: readonly OwnerReference[]
  /** A pod that starts brings its class's content; a later sync leaves a Secret to the class that wrote it last. */
  takeOver: boolean
}

export type SecretOutcome = 'written' | 'unchanged' | 'other-class'

/**
 * Brings one Secret up to date by server-side apply: labels, annotations, keys and owners of others survive, keys that the
 * class no longer names are removed. Writes nothing if nothing is to be changed. Throws with a message for the pod's event.
 */
export async function writeSecret(node: Node, target: SecretTarget, signal: AbortSignal): Promise<SecretOutcome> {
  try {
    const options = { attempts: 4, initialMs: 20, shouldRetry: isConflict, signal, clock: node.clock }
    return await retry(() => bringUpToDate(node, target, signal), options)
  } catch (error) {
    signal.throwIfAborted()
    throw new Error(`Secret "${target.wanted.name}": ${refusalText(error)}`, { cause: error })
  }
}

async function bringUpToDate(node: Node, target: SecretTarget, signal: AbortSignal): Promise<SecretOutcome> {
  const { namespace, className, wanted, owners, takeOver } = target
  const ref = { namespace, name: wanted.name }
  const existing = await readSecret(node, ref, signal)
  if (existing === undefined) return create(node, target, owners, signal)
  if (!isManaged(existing))
    throw new Error(`it exists and is not managed by the driver (no label ${managedLabel}=true); delete or rename it`)
  const { [classAnnotation]: writer, [unnamedAnnotation]: unnamed } = existing.metadata.annotations ?? {}
  if (!takeOver && writer !== undefined && writer !== className && unnamed === undefined) return 'other-class'
  if (existing.type !== wanted.type) return recreate(node, target, existing, signal)
  return update(node, target, existing, signal)
}

export function readSecret(
  { kube }: Node,
  ref: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<Secret | undefined> {
  return ifFound(kube.get(resources.secrets, ref, { signal }))
}

/**
 * Owners are set at creation: changing those of an existing object needs the right to delete it where the admission plug-in
 * OwnerReferencesPermissionEnforcement is on, as in OpenShift.
 */
async function create(
  { kube }: Node,
  target: SecretTarget,
  owners: readonly OwnerReference[],
  signal: AbortSignal,
): Promise<SecretOutcome> {
  await kube.apply(resources.secrets, secretObject(target, owners), { fieldManager, signal })
  return 'written'
}

/** Kubernetes does not let the type of a Secret change. The owners of other nodes' pods go over to the new one. */
async function recreate(
  node: Node,
  target: SecretTarget,
  { metadata }: Secret,
  signal: AbortSignal,
): Promise<SecretOutcome> {
  const { namespace, wanted, owners } = target
  const ref = { namespace, name: wanted.name }
  await node.kube.delete(resources.secrets, ref, { uid: metadata.uid, signal })
  return create(node, target, union(owners, metadata.ownerReferences ?? []), signal)
}

async function update(
  { kube }: Node,
  target: SecretTarget,
  existing: Secret,
  signal: AbortSignal,
): Promise<SecretOutcome> {
  const { namespace, wanted, owners } = target
  const ref = { namespace, name: wanted.name }
  // What an apply leaves out, it removes: owners that were set at creation are named again.
  const next = secretObject(target, appliedOwners(existing))
  const isStale = !holds(existing, next)
  if (isStale) await kube.apply(resources.secrets, next, { fieldManager, signal })
  const present = new Set((existing.metadata.ownerReferences ?? []).map(({ uid }) => uid))
  const missing = owners.filter(({ uid }) => !present.has(uid))
  const isUnnamed = existing.metadata.annotations?.[unnamedAnnotation] !== undefined
  if (missing.length === 0 && !isUnnamed) return isStale ? 'written' : 'unchanged'
  // The uid is a precondition: a Secret that was deleted and made again in between is read again. Owners merge by their uid,
  // so that those which other nodes add at the same time are not lost.
  const metadata = {
    uid: existing.metadata.uid,
    ...(missing.length > 0 ? { ownerReferences: missing } : {}),
    ...(isUnnamed ? { annotations: { [unnamedAnnotation]: null } } : {}),
  }
  await kube.patch(resources.secrets, ref, { metadata }, { type: 'strategic', fieldManager, signal })
  return 'written'
}

function secretObject({ namespace, className, wanted }: SecretTarget, owners: readonly OwnerReference[]): Secret {
  const { name, type, labels, annotations, data } = wanted
  return newSecret({
    namespace,
    name,
    type,
    labels: { ...labels, [managedLabel]: 'true' },
    annotations: { ...annotations, [classAnnotation]: className },
    owners,
    data: Object.entries(data),
  })
}

function union(a: readonly OwnerReference[], b: readonly OwnerReference[]): OwnerReference[] {
  return [...new Map([...b, ...a].map((owner) => [owner.uid, owner])).values()]
}

/** Whether `existing` has all of `next`, and no key that was ours and is no longer wanted. */
function holds(existing: Secret, next: Secret): boolean {
  const includes = (all: Record<string, string> = {}, some: Record<string, string> = {}) =>
    Object.entries(some).every(([key, value]) => Object.hasOwn(all, key) && all[key] === value)
  return (
    includes(existing.data, next.data) &&
    includes(existing.metadata.labels, next.metadata.labels) &&
    includes(existing.metadata.annotations, next.metadata.annotations) &&
    appliedKeys(existing, 'f:data').every((key) => Object.hasOwn(next.data ?? {}, key))
  )
}

/** Owners that our apply set, as far as they are still there. */
function appliedOwners(secret: Secret): OwnerReference[] {
  const applied = new Set(appliedKeys(secret, 'f:metadata', 'f:ownerReferences'))
  return (secret.metadata.ownerReferences ?? []).filter(({ uid }) => applied.has(uid))
}

/**
 * Keys of a field that our apply set: names of a map, uids of a list that is keyed by uid.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
function appliedKeys({ metadata }: Secret, ...path: string[]): string[] {
  const ours = (metadata.managedFields ?? [])
    .map(recordOf)
    .find((entry) => entry?.manager === fieldManager && entry.operation === 'Apply')
  let fields = recordOf(ours?.fieldsV1)
  for (const name of path) fields = recordOf(fields?.[name])
  return Object.keys(fields ?? {}).flatMap((key) => {
    if (key.startsWith('f:')) return [key.slice(2)]
    return key.startsWith('k:') ? (stringOf(recordOf(parsed(key.slice(2)))?.uid) ?? []) : []
  })
}

function parsed(key: string): unknown {
  return orUndefined(() => parseJson('a key of managedFields', key))
}
