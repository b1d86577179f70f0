import { isDeepStrictEqual } from 'node:util'
import { type AssignmentState, type AzureAssignedIdentity, objectKey } from '#kubernetes/client'
import { isNamespaced, machineIdentityId } from '../azure-identity.ts'

/** An assignment that takes the place of another of the same name. */
export interface Replacement {
  before: AzureAssignedIdentity
  after: AzureAssignedIdentity
}

/** The changes that turn the existing assignments into the desired ones. */
export interface Changes {
  create: AzureAssignedIdentity[]
  replace: Replacement[]
  /** Exist as they should, but the machine does not have the identity yet. */
  retry: AzureAssignedIdentity[]
  remove: AzureAssignedIdentity[]
}

export function planChanges(
  desired: ReadonlyMap<string, AzureAssignedIdentity>,
  existing: ReadonlyMap<string, AzureAssignedIdentity>,
): Changes {
  const changes: Changes = { create: [], replace: [], retry: [], remove: [] }
  for (const [key, after] of desired) {
    const before = existing.get(key)
    if (before === undefined) changes.create.push(after)
    else if (isBeingDeleted(before)) changes.remove.push(before)
    else if (!isSame(before, after)) changes.replace.push(replacement(before, after))
    else if (stateOf(before) === 'Created') changes.retry.push(before)
  }
  for (const [key, before] of existing) if (!desired.has(key)) changes.remove.push(before)
  return changes
}

export function isEmpty({ create, replace, retry, remove }: Changes): boolean {
  return create.length + replace.length + retry.length + remove.length === 0
}

export function stateOf({ status }: AzureAssignedIdentity): AssignmentState {
  return status?.status ?? ''
}

/** Deleted, by us or by a user; without the finalizer it is gone, and can be created again. */
function isBeingDeleted(assigned: AzureAssignedIdentity): boolean {
  return assigned.metadata.deletionTimestamp !== undefined || stateOf(assigned) === 'Unassigned'
}

/**
 * Versions are not compared, unlike upstream: a label or an annotation on an identity that a thousand pods have would
 * assign it a thousand times again.
 */
function isSame({ spec: a }: AzureAssignedIdentity, { spec: b }: AzureAssignedIdentity): boolean {
  return (
    a.pod === b.pod &&
    a.podNamespace === b.podNamespace &&
    a.nodename === b.nodename &&
    objectKey(a.azureBindingRef) === objectKey(b.azureBindingRef) &&
    objectKey(a.azureIdentityRef) === objectKey(b.azureIdentityRef) &&
    isNamespaced(a.azureIdentityRef) === isNamespaced(b.azureIdentityRef) &&
    isDeepStrictEqual(a.azureBindingRef.spec, b.azureBindingRef.spec) &&
    isDeepStrictEqual(a.azureIdentityRef.spec, b.azureIdentityRef.spec)
  )
}

/** It stays Assigned if the machine already has the identity, so that a running pod still gets tokens. */
function replacement(before: AzureAssignedIdentity, after: AzureAssignedIdentity): Replacement {
  const isAssigned =
    before.spec.nodename === after.spec.nodename &&
    machineIdentityId(before) === machineIdentityId(after) &&
    (stateOf(before) === 'Assigned' || stateOf(before) === '')
  const { labels, finalizers } = after.metadata
  const metadata = {
    ...before.metadata,
    labels: { ...before.metadata.labels, ...labels },
    finalizers: finalizers ?? before.metadata.finalizers ?? [],
  }
  const status = { status: isAssigned ? 'Assigned' : 'Created', availableReplicas: 1 } as const
  return { before, after: { ...after, metadata, status } }
}
