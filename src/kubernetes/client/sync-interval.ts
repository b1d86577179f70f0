import { parseDuration } from '#lib/formats'

/** Shorter intervals would only load the vault. */
const minMs = 1000

/** What {@link parseSyncInterval} takes. */
export const syncIntervalForm = 'a duration of 1s or more, for example 5m'

/** The parameter `syncInterval` of a class in milliseconds; undefined for a text that is not {@link syncIntervalForm}. */
export function parseSyncInterval(text: string): number | undefined {
  const ms = parseDuration(text)
  return ms === undefined || ms < minMs ? undefined : ms
}
