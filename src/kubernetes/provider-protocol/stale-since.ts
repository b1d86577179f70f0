import type { Metadata } from '@grpc/grpc-js'
import { timestamp } from '#lib'

/**
 * Trailing metadata of a Mount answer: the time (RFC 3339) of the oldest values in it that did not come from their own vault, because
 * the vault or Entra did not answer: from memory, or at this time from the fallback vault. Absent when everything is fresh. Other drivers ignore it.
 */
export const staleSinceTrailer = 'keymount-stale-since'

/** Beside {@link staleSinceTrailer}: why they could not be read, percent-encoded: `vault shop cannot be reached [vault-unreachable]`. */
export const staleReasonTrailer = 'keymount-stale-reason'

/** An answer with values from before an outage. */
export interface StaleContent {
  /** Time of the oldest of them, in milliseconds since the epoch. */
  since: number
  /** In words, with the code of the error; empty where the provider gave none. */
  reason: string
}

/** Node sends headers of at most 64 KiB, and an event has 1,024 characters. */
const maxReasonLength = 700

/** The trailing metadata of an answer with such values: names and values. */
export function staleTrailers({ since, reason }: StaleContent): [name: string, value: string][] {
  const text = reason.toWellFormed().slice(0, maxReasonLength).toWellFormed()
  const why: [string, string][] = text === '' ? [] : [[staleReasonTrailer, encodeURIComponent(text)]]
  return [[staleSinceTrailer, timestamp(since)], ...why]
}

/** Reads trailing metadata; undefined for a fresh answer. A provider may have put anything there. */
export function staleContent(metadata: Metadata): StaleContent | undefined {
  const [text] = metadata.get(staleSinceTrailer)
  const since = typeof text === 'string' ? Date.parse(text) : Number.NaN
  if (Number.isNaN(since)) return undefined
  return { since, reason: decoded(metadata.get(staleReasonTrailer)[0]) }
}

function decoded(text: string | Buffer | undefined): string {
  if (typeof text !== 'string') return ''
  try {
    return decodeURIComponent(text).slice(0, maxReasonLength)
  } catch {
    return ''
  }
}
