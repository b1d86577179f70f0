import { orUndefined } from '#lib'

/** What a request to the node endpoint is for. */
export type Route =
  /** A pod requests a token. */
  | 'token'
  /** A program of the host requests the token of a pod. */
  | 'host-token'
  /** Details of the machine, which an administrator may keep from pods. */
  | 'instance'
  /** Resembles a token request in a spelling that IMDS might accept and we do not: refused. */
  | 'invalid'
  /** Everything else that IMDS serves. */
  | 'other'

const tokenPath = /^\/metadata\/identity\/oauth2\/token(\/|$)/
const hostTokenPath = /^\/host\/token(\/|$)/
const instancePath = /^\/metadata\/instance(\/|$)/

/**
 * The route of a path as it was sent. The decision is made on the path as the most lenient server would read it: decoded,
 * with slashes for backslashes, without empty and dot segments, in lower case. A path that is a token request only when read
 * so is refused, because IMDS would answer it with a token of the machine (CVE-2022-23551).
 */
export function routeOf(path: string): Route {
  const lenient = readLeniently(path)
  if (lenient === undefined) return 'invalid'
  if (tokenPath.test(lenient)) return tokenPath.test(path.toLowerCase()) ? 'token' : 'invalid'
  if (containsInOrder(lenient, ['metadata', 'identity', 'oauth2', 'token'])) return 'invalid'
  if (hostTokenPath.test(lenient)) return 'host-token'
  return instancePath.test(lenient) ? 'instance' : 'other'
}

/** Chains of servers decode once each. A path that is encoded more often than this is not a request for anything. */
const maxDecodings = 8

/** Undefined when the path cannot be decoded, or was encoded too often. */
function readLeniently(path: string): string | undefined {
  let decoded = path
  for (let round = 0; ; round++) {
    const next = decode(decoded)
    if (next === decoded) break
    if (next === undefined || round === maxDecodings) return undefined
    decoded = next
  }
  const segments: string[] = []
  for (const segment of decoded.replaceAll('\\', '/').split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment.trim().toLowerCase())
  }
  return `/${segments.join('/')}`
}

function decode(text: string): string | undefined {
  return orUndefined(() => decodeURIComponent(text))
}

/** Whether the words are in the text one after the other, with anything between them. Takes time in proportion to the text. */
function containsInOrder(text: string, words: readonly string[]): boolean {
  let from = 0
  for (const word of words) {
    const index = text.indexOf(word, from)
    if (index < 0) return false
    from = index + word.length
  }
  return true
}
