import type { FileOwner } from './volume-system.ts'

/** `1000` or `1000:2000`: a user id and, after a colon, a group id. Empty text names no owner; undefined when it is neither. */
export function parseFileOwner(text: string): FileOwner | undefined {
  if (text === '') return {}
  const match = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text)
  if (match === null) return undefined
  const userId = Number(match[1])
  const groupId = match[2] === undefined ? undefined : Number(match[2])
  return userId < 2 ** 32 - 1 && (groupId ?? 0) < 2 ** 32 - 1 ? { userId, groupId } : undefined
}
