/**
 * Paths of Resource Manager, which have no case: `/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME/...`.
 * Counted from 0, every segment at an even place is a keyword or a type, and so is the one behind `providers`; the rest are names.
 */

/** The path as routes write it: keywords and types in lower case, names as given, no empty segments. */
export function canonicalPath(pathname: string): string {
  const segments = segmentsOf(pathname)
  return joined(segments.map((segment, place) => (isKeyword(segments, place) ? segment.toLowerCase() : segment)))
}

/** What a request is about, decoded. */
export interface ArmTarget {
  /** The id that a permission is checked on: the path without a trailing collection, action or extension. */
  id: string
  /** For an extension (`ID/providers/NAMESPACE/TYPE/...` behind another id or a scope): what it extends. Otherwise the same as `id`. */
  scope: string
}

export function targetOf(pathname: string): ArmTarget {
  const segments = segmentsOf(pathname).map(decode)
  const keyword = (place: number) => segments[place]?.toLowerCase()
  const scopeLength = segments.findLastIndex((_, place) => place % 2 === 0 && keyword(place) === 'providers')
  let length = 0
  if (keyword(0) === 'subscriptions' && segments.length >= 2) length = 2
  if (keyword(length) === 'resourcegroups' && segments.length >= length + 2) length += 2
  if (keyword(length) === 'providers') {
    let end = length + 2
    while (end + 1 < segments.length && keyword(end) !== 'providers') end += 2
    if (end > length + 2) length = end
  }
  const id = joined(segments.slice(0, length))
  return { id, scope: scopeLength < 0 ? id : joined(segments.slice(0, scopeLength)) }
}

/** The name of the group that a resource is in, or undefined when it is in none. */
export function groupNameOf(resourceId: string): string | undefined {
  return /^\/subscriptions\/[^/]+\/resourceGroups\/([^/]+)/i.exec(resourceId)?.[1]
}

function isKeyword(segments: readonly string[], place: number): boolean {
  return place % 2 === 0 || segments[place - 1]?.toLowerCase() === 'providers'
}

function segmentsOf(pathname: string): string[] {
  return pathname.split('/').filter((segment) => segment !== '')
}

function joined(segments: readonly string[]): string {
  return `/${segments.join('/')}`
}

/** What is no valid percent-encoding stays as it is: it is a name that nothing has. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
