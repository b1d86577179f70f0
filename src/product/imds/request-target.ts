import { beyondLimit } from '#lib'
import { ImdsRefusal } from './imds-refusal.ts'
import { imdsLimits } from './limits.ts'

/** Address of the instance metadata service on every Azure machine. */
export const metadataAddress = '169.254.169.254'

/** Path and query of a request in origin form. */
export interface RequestTarget {
  /** As it was sent, in origin form: begins with a slash. */
  text: string
  /** The part before the question mark. */
  path: string
  query: URLSearchParams
}

/**
 * Reads a request target in origin form (`/path?query`) or absolute form (`http://host/path?query`), whose host is dropped.
 * It is never parsed as a URL: `//host/path` is a path here and not another host.
 * https://www.rfc-editor.org/rfc/rfc9112#name-request-target
 *
 * Throws {@link ImdsRefusal} for a target that is neither, or exceeds the limit.
 */
export function parseRequestTarget(target: string): RequestTarget {
  const { target: limit } = imdsLimits
  // The longest that clients send, with a resource id, has about 400 characters.
  if (target.length > limit.value) throw new ImdsRefusal(414, 'uri_too_long', beyondLimit(limit, target.length))
  const text = originForm(target)
  const end = text.search(/[?#]/)
  if (end < 0) return { text, path: text, query: new URLSearchParams() }
  return { text, path: text.slice(0, end), query: new URLSearchParams(text.slice(end + 1)) }
}

function originForm(target: string): string {
  if (target.startsWith('/')) return target
  const scheme = /^https?:\/\//i.exec(target)
  if (scheme === null) throw new ImdsRefusal(400, 'invalid_request', 'The request target is not a path')
  const rest = target.slice(scheme[0].length)
  const end = rest.search(/[/?#]/)
  if (end < 0) return '/'
  return rest[end] === '/' ? rest.slice(end) : `/${rest.slice(end)}`
}
