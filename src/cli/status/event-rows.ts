import { failureText, mountFailureText } from '../cluster/failure-text.ts'
import type { ClusterObjects } from './cluster-objects.ts'
import { eventKinds } from './event-kinds.ts'
import type { EventRow, Tone } from './rows.ts'
import { statusLimits } from './status-limits.ts'

const tones: Readonly<Record<EventRow['state'], Tone>> = {
  rotation: 'good',
  secret: 'good',
  push: 'good',
  restart: 'warn',
  outage: 'bad',
  failure: 'bad',
}

/** The newest events about secrets. */
export function eventRows({ events }: ClusterObjects): EventRow[] {
  const rows = [...events].map(([key, event]): EventRow => {
    const { reason = '', message = '', involvedObject, lastTimestamp, count = 1 } = event
    const state = eventKinds[reason] ?? 'failure'
    return {
      key,
      state,
      tone: tones[state],
      at: lastTimestamp || null,
      reason,
      namespace: involvedObject.namespace ?? '',
      object: `${(involvedObject.kind ?? '').toLowerCase()}/${involvedObject.name ?? ''}`,
      message: failureText(mountFailureText(message)),
      count,
    }
  })
  return rows.toSorted((a, b) => ((a.at ?? '') < (b.at ?? '') ? 1 : -1)).slice(0, statusLimits.events.value)
}
