import type { StatusRoutes } from '#lib/http'

/** `/healthz`: always 200, as upstream; the text shows whether the process does its work. */
export function healthRoutes(isActive: () => boolean): StatusRoutes {
  return { '/healthz': () => ({ body: isActive() ? 'Active' : 'Not Active' }) }
}

/** `/readyz`, which upstream does not have: fails until the process does its work. */
export function readyRoute(isActive: () => boolean): StatusRoutes {
  return {
    '/readyz': () => {
      if (!isActive()) throw new Error('Not Active')
      return { body: 'Active' }
    },
  }
}
