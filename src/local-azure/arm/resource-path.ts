/**
 * Paths of Resource Manager, which have no case: `/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME/...`.
 * Counted from 0, every segment at an even place is a keyword or a type, and so is the one behind `providers`; the rest are names.
 */

/** The path as routes write it: keywords and types in lower case, names as given, no empty segments. */
export function canonicalPath(pathname: string): string {
  const segments = segmentsOf(pathname)
  return `/${segments.map((segment, i) => (isKeyword(segments, i) ? segment.toLowerCase() : segment)).join('/')}`
}

/** The id that a permission is checked on: the path without a trailing collection or action. */
export function targetId(pathname: string): string {
  const segments = segmentsOf(pathname)
  return segments.length === 0 ? '/' : `/${segments.slice(0, targetLength(segments)).join('/')}`
}

function targetLength(segments: readonly string[]): number {
  const keyword = (place: number) => segments[place]?.toLowerCase()
  let length = 0
  if (keyword(0) === 'subscriptions' && segments.length >= 2) length = 2
  if (keyword(length) === 'resourcegroups' && segments.length >= length + 2) length += 2
  if (keyword(length) !== 'providers') return length
  let end = length + 2
  while (end + 1 < segments.length && keyword(end) !== 'providers') end += 2
  return end > length + 2 ? end : length
}

/** `/subscriptions/S/resourceGroups/G` of a resource's id, or undefined when it is in no group. */
export function groupIdOf(resourceId: string): string | undefined {
  return /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+/i.exec(resourceId)?.[0]
}

function isKeyword(segments: readonly string[], place: number): boolean {
  return place % 2 === 0 || segments[place - 1]?.toLowerCase() === 'providers'
}

function segmentsOf(pathname: string): string[] {
  return pathname.split('/').filter((segment) => segment !== '')
}
