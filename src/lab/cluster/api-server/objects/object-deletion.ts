import { isDeepStrictEqual } from 'node:util'
import { timestamp } from '#lib'
import { valueAt } from '#lib/formats'
import { conflict } from '../api-error.ts'
import { type ApiObject, textAt, textsAt } from '../api-object.ts'
import type { ResourceRow } from '../kinds/resource-row.ts'

export interface DeleteOptions {
  gracePeriodSeconds?: number | undefined
  propagationPolicy?: 'Background' | 'Foreground' | undefined
  preconditions?: { uid?: string | undefined; resourceVersion?: string | undefined } | undefined
  dryRun?: boolean | undefined
  /** Called with the object that is to go; throws ApiError to refuse the deletion. */
  admit?: ((object: ApiObject, previous: ApiObject | undefined) => void) | undefined
}

/** Throws 409 when the object has another UID or version. */
export function checkPreconditions(
  row: ResourceRow,
  { metadata }: ApiObject,
  { uid, resourceVersion }: NonNullable<DeleteOptions['preconditions']>,
): void {
  const refuse = (what: string, wanted: string, found: string | undefined) =>
    conflict(
      row,
      metadata.name,
      `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${found}`,
    )
  if (uid && uid !== metadata.uid) throw refuse('UID', uid, metadata.uid)
  if (resourceVersion && resourceVersion !== metadata.resourceVersion) {
    throw refuse('ResourceVersion', resourceVersion, metadata.resourceVersion)
  }
}

/** The object while its deletion waits for a grace period or for finalizers; the same object if it already waits. */
export function markDeleted(row: ResourceRow, object: ApiObject, options: DeleteOptions, now: number): ApiObject {
  const marked = structuredClone(object)
  const { metadata } = marked
  const grace = gracePeriod(object, options)
  const before = metadata.deletionGracePeriodSeconds
  const isNew = metadata.deletionTimestamp === undefined
  // A second deletion can only make the wait shorter.
  if (isNew || (before !== undefined && grace < before)) {
    metadata.deletionTimestamp = timestamp(now + grace * 1000)
    metadata.deletionGracePeriodSeconds = grace
    if (row.generation) metadata.generation = (metadata.generation ?? 0) + 1
  }
  if (isNew && options.propagationPolicy === 'Foreground') {
    metadata.finalizers = [...(metadata.finalizers ?? []), 'foregroundDeletion']
  }
  row.prepare(marked, row.versions[0] ?? '')
  return isDeepStrictEqual(marked, object) ? object : marked
}

/** In seconds. Only a pod that runs on a node has one. */
function gracePeriod(object: ApiObject, options: DeleteOptions): number {
  const phase = textAt(object, 'status', 'phase')
  const isPod = object.apiVersion === 'v1' && object.kind === 'Pod'
  if (!isPod || textAt(object, 'spec', 'nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0
  const wanted = options.gracePeriodSeconds ?? valueAt(object, 'spec', 'terminationGracePeriodSeconds')
  return typeof wanted === 'number' ? Math.max(wanted, 0) : 30
}

/** Whether an object is marked for deletion and neither a grace period nor a finalizer holds it. */
export function isFinished({ apiVersion, kind, metadata, spec }: ApiObject): boolean {
  if (metadata.deletionTimestamp === undefined || (metadata.deletionGracePeriodSeconds ?? 0) > 0) return false
  // A namespace has finalizers of its own, which its controller removes once the namespace is empty.
  const waits = apiVersion === 'v1' && kind === 'Namespace' ? textsAt(spec, 'finalizers').length > 0 : false
  return !waits && (metadata.finalizers ?? []).length === 0
}
