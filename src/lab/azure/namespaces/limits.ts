import type { LimitTable } from '#lib'

/** Names, spans and sizes of Event Grid namespaces. https://learn.microsoft.com/azure/event-grid/quotas-limits */

/** Names of namespaces, topics and subscriptions. */
export const namespaceNamePattern = /^[a-zA-Z0-9-]{3,50}$/
export const maxCapacity = 40
export const maxRetentionDays = 7
/** Seconds for which a received event is locked. */
export const lockSeconds = { min: 60, max: 300, fallback: 60 } as const
export const deliveryCounts = { min: 1, max: 10, fallback: 10 } as const
export const minTimeToLiveMs = 60_000
export const defaultTimeToLive = 'P7D'
/** Events of one receive. */
export const receiveCounts = { min: 1, max: 100, fallback: 1 } as const
/** Seconds that a receive waits for an event. */
export const waitSeconds = { min: 10, max: 120, fallback: 60 } as const
/** Seconds after which a released event is there again. */
export const releaseDelays: readonly string[] = ['0', '10', '60', '600', '3600']
/** How long after an event was received its lock can be renewed. */
export const renewableMs = 3_600_000
export const maxLockTokens = 100
export const maxPublished = 1000

/** API versions of the data plane. https://learn.microsoft.com/rest/api/eventgrid/dataplane */
export const namespaceApiVersions = ['2024-06-01', '2023-11-01'] as const

export const namespaceLimits = {
  namespaces: {
    value: 50,
    unit: 'count',
    what: 'Event Grid namespaces of the local Azure',
    beyond: 'no further one is created (409)',
  },
  topics: {
    value: 100,
    unit: 'count',
    what: 'topics of a namespace of the local Azure',
    beyond: 'no further one is created (409)',
  },
  subscriptions: {
    value: 500,
    unit: 'count',
    what: 'event subscriptions of a topic of a namespace of the local Azure',
    beyond: 'no further one is created (409)',
  },
  bodyBytes: {
    value: 1024 * 1024,
    unit: 'bytes',
    what: 'body of a request to an Event Grid namespace of the local Azure',
    beyond: 'the request is answered with 413',
  },
  receives: {
    value: 500,
    unit: 'count',
    what: 'receives of Event Grid namespaces of the local Azure that wait for an event',
    beyond: 'a further one is answered with 429',
  },
} as const satisfies LimitTable
