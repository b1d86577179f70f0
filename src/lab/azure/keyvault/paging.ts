import { badParameter } from './error-response.ts'
import { maxPageSize } from './limits.ts'

/**
 * One page of `items`, which are sorted by their keys. The next page starts after the last key on this one, so that items
 * that are added or removed in between shift nothing.
 */
export function page<T>(url: URL, items: readonly T[], keyOf: (item: T) => string, render: (item: T) => unknown) {
  const size = pageSize(url)
  const after = readToken(url)
  const rest = after === undefined ? items : items.filter((item) => keyOf(item) > after)
  const shown = rest.slice(0, size)
  const last = shown.at(-1)
  const nextLink = rest.length > size && last !== undefined ? linkAfter(url, keyOf(last)) : null
  return { value: shown.map(render), nextLink }
}

function pageSize(url: URL): number {
  const text = url.searchParams.get('maxresults')
  if (text === null) return maxPageSize
  const size = Number(text)
  if (/^\d+$/.test(text) && size >= 1 && size <= maxPageSize) return size
  throw badParameter(`invalid maxresults: found ${JSON.stringify(text)}, expected a number from 1 to ${maxPageSize}`)
}

function readToken(url: URL): string | undefined {
  const token = url.searchParams.get('$skiptoken')
  return token === null ? undefined : Buffer.from(token, 'base64url').toString('utf8')
}

/** The same request for the items after `key`. Clients follow it unchanged. */
function linkAfter(url: URL, key: string): string {
  const link = new URL(url)
  link.search = ''
  for (const name of ['api-version', 'maxresults', 'includePending']) {
    const value = url.searchParams.get(name)
    if (value !== null) link.searchParams.set(name, value)
  }
  link.searchParams.set('$skiptoken', Buffer.from(key, 'utf8').toString('base64url'))
  return link.href
}
