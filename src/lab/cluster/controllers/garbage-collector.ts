import type { OwnerReference } from '#kubernetes/client'
import { type ApiObject, textAt } from '../api-server/api-object.ts'
import type { Controller, ControllerContext } from './controller.ts'

/** As long as a real cluster keeps events. */
const eventLifetimeMs = 3_600_000

/**
 * Deletes what has no owner any more: objects whose owners are all gone (of several, those that are gone are forgotten), the
 * objects of a deleted definition, old events. An owner that is deleted in the foreground goes after its dependents. https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
export const garbageCollector: Controller = {
  name: 'garbage-collector',
  watches: 'everything',
  reconcile(context) {
    const { store, catalog } = context
    for (const { resource, object } of store.all()) if (!catalog.has(resource)) store.remove(resource, object)
    const all = [...store.all()]
    const living = new Set(all.map(({ object }) => object.metadata.uid))
    const waiting = new Set(
      all.filter(({ object }) => waitsForDependents(object)).map(({ object }) => object.metadata.uid),
    )
    for (const { resource, object } of all) {
      const { ownerReferences = [], deletionTimestamp } = object.metadata
      if (ownerReferences.length === 0 || deletionTimestamp !== undefined) continue
      const owners = ownerReferences.filter(
        (owner) => !isKnown(context, owner) || (living.has(owner.uid) && !waiting.has(owner.uid)),
      )
      if (owners.length === 0) remove(context, resource, object)
      else if (owners.length < ownerReferences.length) keepOwners(context, resource, object, owners)
    }
    for (const { resource, object } of all) if (waitsForDependents(object)) releaseOwner(context, resource, object)
    deleteOldEvents(context)
  },
}

/** An owner of a kind that the cluster does not have cannot be found missing. */
function isKnown({ catalog }: ControllerContext, { apiVersion, kind }: OwnerReference): boolean {
  return catalog.rows().some((row) => row.kind === kind && apiVersion.split('/').slice(0, -1).join('/') === row.group)
}

const foreground = 'foregroundDeletion'
const waitsForDependents = ({ metadata }: ApiObject) => metadata.finalizers?.includes(foreground) ?? false

function remove({ objects, catalog }: ControllerContext, resource: string, { metadata }: ApiObject): void {
  const { name, namespace, uid = '' } = metadata
  objects.delete(catalog.row(resource), { name, namespace }, { preconditions: { uid } })
}

/** Of several owners, those that are gone, or wait for this object to go, are forgotten. */
function keepOwners(
  { objects, catalog }: ControllerContext,
  resource: string,
  { metadata }: ApiObject,
  owners: OwnerReference[],
): void {
  const kept = new Set(owners.map(({ uid }) => uid))
  const changed = (draft: ApiObject) => ({
    ...draft,
    metadata: {
      ...draft.metadata,
      ownerReferences: draft.metadata.ownerReferences?.filter(({ uid }) => kept.has(uid)) ?? [],
    },
  })
  objects.update(catalog.row(resource), metadata, changed, { manager: 'garbage-collector' })
}

function releaseOwner({ store, objects, catalog }: ControllerContext, resource: string, owner: ApiObject): void {
  for (const { object } of store.all()) {
    if (object.metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid)) return
  }
  const released = (draft: ApiObject) => ({
    ...draft,
    metadata: { ...draft.metadata, finalizers: draft.metadata.finalizers?.filter((name) => name !== foreground) ?? [] },
  })
  objects.update(catalog.row(resource), owner.metadata, released, { manager: 'garbage-collector' })
}

function deleteOldEvents({ store, clock }: ControllerContext): void {
  for (const event of store.list('events')) {
    const last = Date.parse(textAt(event, 'lastTimestamp') || event.metadata.creationTimestamp || '')
    if (clock.now() - last > eventLifetimeMs) store.remove('events', event)
  }
}
