/**
 * Paths of Resource Manager, which have no case: `/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME/...`.
 * Counted from 0, every segment with an even index is a keyword or a type, and so is the one after `providers`; the others are names.
 */

/** The path as routes write it: keywords and types in lower case, names as given, no empty segments. */
export function canonicalPath(pathname: string): string {
  const segments = segmentsOf(pathname)
  return joined(segments.map((segment, index) => (isKeyword(segments, index) ? segment.toLowerCase() : segment)))
}

/** The resource that a request is about, decoded. */
export interface ArmTarget {
  /** The id on which a permission is checked: the path without a trailing collection, action or extension. */
  id: string
  /** For an extension (`ID/providers/NAMESPACE/TYPE/...` after another id or a scope): the id that it extends. Otherwise the same as `id`. */
  scope: string
}

export function targetOf(pathname: string): ArmTarget {
  const segments = segmentsOf(pathname).map(decode)
  const keyword = (index: number) => segments[index]?.toLowerCase()
  const scopeLength = segments.findLastIndex((_, index) => index % 2 === 0 && keyword(index) === 'providers')
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

/** Name of the resource's group; undefined when it is not in one. */
export function groupNameOf(resourceId: string): string | undefined {
  return /^\/subscriptions\/[^/]+\/resourceGroups\/([^/]+)/i.exec(resourceId)?.[1]
}

function isKeyword(segments: readonly string[], index: number): boolean {
  return index % 2 === 0 || segments[index - 1]?.toLowerCase() === 'providers'
}

function segmentsOf(pathname: string): string[] {
  return pathname.split('/').filter((segment) => segment !== '')
}

function joined(segments: readonly string[]): string {
  return `/${segments.join('/')}`
}

/** An invalid percent-encoding stays as it is: no resource has such a name. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
