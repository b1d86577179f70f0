import type { LimitTable } from '#lib'

/** What a pod may send to the proxy sidecar and to the node endpoint of pod identity. */
export const imdsLimits = {
  target: {
    value: 2048,
    unit: 'characters',
    what: 'target of a request to the node endpoint (NMI) or the proxy sidecar',
    beyond: 'The request is answered with 414.',
  },
} as const satisfies LimitTable
