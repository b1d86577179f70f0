import { type ClassChange, classChangeLimits, everyObject, type SecretProviderClass } from '#kubernetes/client'
import { changeOf } from '../content/mount-class.ts'
import type { PendingChange, Volume } from '../mount/volumes.ts'

/** Whether a volume neither was read for a change nor waits for that. */
export function isNewChange({ seenClass, change: pending }: Volume, { id }: Pick<ClassChange, 'id'>): boolean {
  return seenClass.changeId !== id && pending?.id !== id
}

/** A change of which only the newest is known: each object may be among those that were passed over. */
export function everythingChanged(change: ClassChange): ClassChange {
  return { ...change, objects: [everyObject] }
}

/** What waits already, and a further change: no object of either is lost. */
export function withChange(pending: PendingChange | undefined, change: ClassChange): PendingChange {
  const objects = [...new Set([...(pending?.objects ?? []), ...change.objects])]
  const isAny = objects.includes(everyObject) || objects.length > classChangeLimits.objects.value
  return {
    id: change.id,
    at: Math.min(pending?.at ?? change.at, change.at),
    objects: isAny ? [everyObject] : objects,
  }
}

/** What a check of the volume has to read again: also a change that its class has and the watch has not seen yet. */
export function changeToRead(volume: Volume, object: SecretProviderClass): PendingChange | undefined {
  const change = changeOf(object)
  const isNew = change !== undefined && isNewChange(volume, change)
  const pending = isNew ? withChange(volume.change, everythingChanged(change)) : volume.change
  // Of a volume with values from before an outage any object may be old, and what the node holds may be no newer.
  return pending !== undefined && volume.stale !== undefined ? { ...pending, objects: [everyObject] } : pending
}
