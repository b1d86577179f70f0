import { createHmac, timingSafeEqual } from 'node:crypto'

/** A request as its signature covers it. */
export interface SignedRequest {
  method: string
  url: URL
  headers: Headers
  account: string
}

/** The signature of a request in base64. https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key */
function signSharedKey(request: SignedRequest, key: string): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(stringToSign(request), 'utf8').digest('base64')
}

/** Whether one of the keys made the signature. */
export function isSignedBy(request: SignedRequest, signature: string, keys: readonly string[]): boolean {
  const given = Buffer.from(signature, 'base64')
  return keys.some((key) => {
    const expected = Buffer.from(signSharedKey(request, key), 'base64')
    return given.length === expected.length && timingSafeEqual(given, expected)
  })
}

/** The text that is signed; error texts of Azure quote it, and it has nothing secret. */
export function stringToSign(request: SignedRequest): string {
  const { method, headers } = request
  const header = (name: string) => headers.get(name) ?? ''
  const length = header('content-length')
  return [
    method,
    header('content-encoding'),
    header('content-language'),
    length === '0' ? '' : length,
    header('content-md5'),
    header('content-type'),
    headers.has('x-ms-date') ? '' : header('date'),
    header('if-modified-since'),
    header('if-match'),
    header('if-none-match'),
    header('if-unmodified-since'),
    header('range'),
    ...canonicalHeaders(headers),
    canonicalResource(request),
  ].join('\n')
}

function canonicalHeaders(headers: Headers): string[] {
  const own = [...headers].filter(([name]) => name.startsWith('x-ms-'))
  return own.toSorted(byName).map(([name, value]) => `${name}:${value.replace(/\s+/g, ' ').trim()}`)
}

function canonicalResource({ url, account }: SignedRequest): string {
  const parameters = new Map<string, string[]>()
  for (const [name, value] of url.searchParams) {
    const key = name.toLowerCase()
    parameters.set(key, [...(parameters.get(key) ?? []), value])
  }
  const lines = [...parameters].toSorted(byName).map(([name, values]) => `${name}:${values.toSorted().join(',')}`)
  return [`/${account}${url.pathname}`, ...lines].join('\n')
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
