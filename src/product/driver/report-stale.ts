import type { StaleContent } from '#kubernetes/provider-protocol'
import { timestamp } from '#lib'
import { logKeys, podReference, type Volume } from './mount/volumes.ts'
import type { Node } from './node.ts'

/** A pod starts with values from before an outage, or of a fallback vault: in the log, and in an event of the pod. Never rejects. */
export async function reportStale(
  { events, log }: Node,
  volume: Volume,
  { since, reason }: StaleContent,
): Promise<void> {
  const cause = reason === '' ? '' : `, because ${reason}`
  const text = `the volume has values of ${timestamp(since)}${cause}; they are read again every 15 s`
  log.warn(logKeys(volume), text)
  await events.record(podReference(volume), 'Warning', 'MountedStale', text)
}
