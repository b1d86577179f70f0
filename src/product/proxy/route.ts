import { parseRequestTarget } from '#product/imds'

/** What a request to the proxy is for. */
export type Route =
  | { kind: 'ready' }
  | { kind: 'token'; query: URLSearchParams }
  /** Path and query in origin form, for the real IMDS. */
  | { kind: 'other'; target: string }

/** The route of a request target. Of the path, only `metadata` is compared in any case, as upstream does. Throws `ImdsRefusal`. */
export function routeOf(requestTarget: string): Route {
  const { text, path, query } = parseRequestTarget(requestTarget)
  const decoded = decode(path)
  if (/^\/readyz\/?$/.test(decoded)) return { kind: 'ready' }
  if (/^\/[Mm][Ee][Tt][Aa][Dd][Aa][Tt][Aa]\/identity\/oauth2\/token(\/|$)/.test(decoded)) {
    return { kind: 'token', query }
  }
  return { kind: 'other', target: text }
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
