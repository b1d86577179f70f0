import type { LimitTable } from '#lib'

/** Bounds and spans of Event Grid. https://learn.microsoft.com/azure/event-grid/quotas-limits */

/** Names of system topics and event subscriptions. */
export const topicNamePattern = /^[a-zA-Z0-9-]{3,128}$/
export const subscriptionNamePattern = /^[a-zA-Z0-9-]{3,64}$/
/** Advanced filters of a subscription, and values of all of them. */
export const maxAdvancedFilters = 25
export const maxFilterValues = 25
export const maxDeliveryAttempts = 30
export const maxEventMinutes = 1440
/**
 * Seconds until the next attempt after one that failed, by the number of attempts; the last for all further ones.
 * https://learn.microsoft.com/azure/event-grid/delivery-and-retry
 */
export const retrySeconds = [10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200] as const
/** Milliseconds from an event to its first delivery, unless the control socket sets another delay. */
export const deliveryDelayMs = { least: 10, most: 50 } as const

export const eventGridLimits = {
  systemTopics: {
    value: 100,
    unit: 'count',
    what: 'system topics of the local Azure',
    beyond: 'no further one is created (409)',
  },
  subscriptions: {
    value: 500,
    unit: 'count',
    what: 'event subscriptions of one vault in the local Azure',
    beyond: 'no further one is created (409)',
  },
  pending: {
    value: 20_000,
    unit: 'count',
    what: 'events of the local Azure that wait for their delivery',
    beyond: 'the event is dropped, counted and logged',
  },
} as const satisfies LimitTable
