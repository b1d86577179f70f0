import { changedAttribute, intervalAttribute, intervalIn, maxAgeAttribute } from '#kubernetes/provider-protocol'
import type { Clock } from '#lib'
import { parseChanged } from './changed-objects.ts'
import type { MountSpec } from './mount-spec.ts'
import type { DecodedRequest } from './parse-mount-request.ts'
import type { Freshness, VaultReaderOptions } from './vault-reader.ts'

/** A driver describes a rotation that a user or an event asked for; a tick has only the versions of the volume. */
export function isRequestedRotation({ attributes }: DecodedRequest): boolean {
  return attributes.has(maxAgeAttribute) || attributes.has(changedAttribute)
}

/**
 * What a request may be answered by. One that names what has changed gets that from the vault, and the rest from what this node has
 * read within the interval of the volume, where it holds it.
 *
 * @param arrived when the request came, by `clock.elapsed()`
 */
export function freshnessOf(
  { attributes }: DecodedRequest,
  { values }: MountSpec,
  { clock, arrived }: { clock: Clock; arrived: number },
): VaultReaderOptions['freshness'] {
  const notOlderThan = oldestShared(attributes, clock)
  const isChanged = parseChanged(attributes.get(changedAttribute))
  if (isChanged === undefined) return () => ({ notOlderThan })
  const changed: Freshness = { notOlderThan: notOlderThan ?? arrived }
  const rest: Freshness = { keptMs: Math.min(values.syncInterval ?? usualIntervalMs, usualIntervalMs) }
  return (vault, name) => (isChanged(vault, name) ? changed : rest)
}

/** A driver names the oldest answer that it takes where a user has asked for a rotation. */
function oldestShared(attributes: DecodedRequest['attributes'], clock: Clock): number | undefined {
  const text = attributes.get(maxAgeAttribute) ?? ''
  const maxAgeMs = Number(text)
  return text !== '' && maxAgeMs >= 0 ? clock.elapsed() - maxAgeMs : undefined
}

/** Interval of volumes whose class names none, about: the driver's default. */
const usualIntervalMs = 2 * 60_000

/** Longest time until the volume is read again without a request, in milliseconds; 0 where neither request nor class names one. */
export function longestIntervalMs({ attributes }: DecodedRequest, { values }: MountSpec): number {
  return Math.max(intervalIn(attributes.get(intervalAttribute)), values.syncInterval ?? 0)
}
