import type { LimitTable } from '#lib'

/** What one plan covers. Manifests and classes of a cluster are those of tenants. */
export const planLimits = {
  clusters: {
    value: 1000,
    unit: 'count',
    what: 'clusters of the file of a fleet',
    beyond: 'The file is refused.',
  },
  identities: {
    value: 1000,
    unit: 'count',
    what: 'client ids that Azure is asked about',
    beyond: 'The rest is reported as not planned.',
  },
} as const satisfies LimitTable
