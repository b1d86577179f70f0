/** What a request to the node endpoint is about. */
export type Route =
  /** A pod wants a token. */
  | 'token'
  /** A program of the host wants the token of a pod. */
  | 'host-token'
  /** Details of the machine, which an administrator may keep from pods. */
  | 'instance'
  /** Looks like the request for a token, and is none that we would recognize in every spelling: refused. */
  | 'invalid'
  /** Whatever else IMDS knows. */
  | 'other'

const tokenPath = /^\/metadata\/identity\/oauth2\/token(\/|$)/
const hostTokenPath = /^\/host\/token(\/|$)/
const instancePath = /^\/metadata\/instance(\/|$)/

/**
 * The route of a request target as it stands in the request. The decision is made on the path as the laxest server would
 * read it: decoded, with slashes for backslashes, without empty and dot segments, in lower case. A target that asks for a
 * token only when read so is refused, because IMDS would give it the token of the machine (CVE-2022-23551).
 */
export function routeOf(target: string): Route {
  const written = target.replace(/^[a-z]+:\/\/[^/]*/i, '').replace(/[?#].*$/s, '')
  const path = laxly(written)
  if (path === undefined) return 'invalid'
  if (tokenPath.test(path)) return tokenPath.test(written.toLowerCase()) ? 'token' : 'invalid'
  if (/metadata.*identity.*oauth2.*token/.test(path)) return 'invalid'
  if (hostTokenPath.test(path)) return 'host-token'
  return instancePath.test(path) ? 'instance' : 'other'
}

/** Undefined when the text cannot be decoded. */
function laxly(written: string): string | undefined {
  let path = written
  try {
    // Twice encoded is decoded twice by a chain of two servers.
    for (let decoded = ''; decoded !== path; ) {
      decoded = path
      path = decodeURIComponent(path)
    }
  } catch {
    return undefined
  }
  const segments: string[] = []
  for (const segment of path.replaceAll('\\', '/').split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment.trim().toLowerCase())
  }
  return `/${segments.join('/')}`
}
