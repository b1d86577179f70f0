import type { MiddlewareHandler } from 'hono'

const headers = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cache-control': 'no-store',
} as const

/**
 * Turns away what is not this page in a browser of this machine: another `Host` (a name that an attacker has resolve to
 * 127.0.0.1), requests that pages of other origins cause, and writes that are not JSON of this origin.
 */
export function guard(port: () => number): MiddlewareHandler {
  return async (context, next) => {
    for (const [name, value] of Object.entries(headers)) context.header(name, value)
    const { method, path } = context.req
    const host = context.req.header('host') ?? ''
    if (host !== `127.0.0.1:${port()}` && host !== `localhost:${port()}`) {
      return context.text('This address is served for 127.0.0.1 and localhost only.', 421)
    }
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') return context.text('method not allowed', 405)
    if (!path.startsWith('/api/')) return next()
    const origin = context.req.header('origin')
    const site = context.req.header('sec-fetch-site')
    const isOwn =
      (origin === undefined || origin === `http://${host}`) && (site === undefined || site === 'same-origin')
    if (!isOwn) return context.json({ error: 'requests of other pages are refused' }, 403)
    if (method === 'POST') {
      if (origin === undefined) return context.json({ error: 'a write needs an Origin' }, 403)
      if (context.req.header('content-type') !== 'application/json')
        return context.json({ error: 'expected JSON' }, 415)
    }
    return next()
  }
}
