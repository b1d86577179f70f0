import type { StatusRoutes } from '#lib/http'

/** `/healthz`: always 200, as upstream; the text shows whether the process does its work. */
export function healthRoutes(isActive: () => boolean): StatusRoutes {
  return { '/healthz': () => ({ body: isActive() ? 'Active' : 'Not Active' }) }
}
