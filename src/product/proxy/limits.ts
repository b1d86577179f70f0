import type { LimitTable } from '#lib'

/** What the containers of a pod may take of their proxy sidecar. */
export const proxyLimits = {
  connections: {
    value: 512,
    unit: 'count',
    what: 'open connections of the proxy sidecar',
    beyond: 'A further one takes the place of the oldest whose client has not sent a whole request, or of an idle one.',
  },
  request: {
    value: 10_000,
    unit: 'milliseconds',
    what: 'time to send one request to the proxy sidecar',
    beyond: 'The request is answered with 408 and its connection closed. The headers have 5 s.',
  },
} as const satisfies LimitTable
