import type { LimitTable } from '#lib'

/** What pods may take of the node endpoint. */
export const nmiLimits = {
  requests: {
    value: 400,
    unit: 'count',
    what: 'requests in progress at the node endpoint (NMI), of which one namespace gets a quarter',
    beyond: 'A further request is answered with 429 and Retry-After.',
  },
  connections: {
    value: 1000,
    unit: 'count',
    what: 'open connections of the node endpoint (NMI), of which one namespace gets a quarter',
    beyond: 'A further connection is closed.',
  },
  auxiliaryTenants: {
    value: 10,
    unit: 'count',
    what: 'auxiliaryTenantIDs of an AzureIdentity',
    beyond: 'The request is answered with 403.',
  },
} as const satisfies LimitTable
