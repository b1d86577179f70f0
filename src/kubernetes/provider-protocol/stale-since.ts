/**
 * Trailing metadata of a Mount answer: the time (RFC 3339) of the oldest values in it that the provider could not read again, because
 * the vault or Entra did not answer. Absent when everything is fresh. Other drivers ignore it.
 */
export const staleSinceTrailer = 'keymount-stale-since'
