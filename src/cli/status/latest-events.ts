import type { KubeEvent } from '#kubernetes/client'
import type { ClusterObjects } from './cluster-objects.ts'

/** The latest event of a reason about each object, by the uid of the object. */
export function latestEvents({ events }: ClusterObjects, reason: string): ReadonlyMap<string, KubeEvent> {
  const latest = new Map<string, KubeEvent>()
  for (const event of events.values()) {
    const { uid = '' } = event.involvedObject
    if (event.reason !== reason || uid === '') continue
    const other = latest.get(uid)
    if (other === undefined || (other.lastTimestamp ?? '') < (event.lastTimestamp ?? '')) latest.set(uid, event)
  }
  return latest
}
