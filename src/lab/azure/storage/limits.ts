import type { LimitTable } from '#lib'

/** Names, spans and sizes of Azure. https://learn.microsoft.com/azure/storage/queues/scalability-targets */

/** Account names are host names, without hyphens. */
export const accountNamePattern = /^[a-z0-9]{3,24}$/
/** Letters, digits and single hyphens, which neither begin nor end the name. */
export const queueNamePattern = /^[a-z0-9]+(?:-[a-z0-9]+)*$/
export const minQueueNameLength = 3
export const maxQueueNameLength = 63
/** Most messages of one Get or Peek. */
export const maxMessagesOfOneRead = 32
/** Seconds for which a message that was read stays hidden, by default. */
export const defaultVisibilitySeconds = 30
export const maxVisibilitySeconds = 7 * 24 * 3600
export const defaultTimeToLiveSeconds = 7 * 24 * 3600
/** The expiry of a message with a time to live of -1. */
export const neverExpires = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
/** How far the date of a request with a shared key may be from the lab's clock, in milliseconds. */
export const sharedKeySkewMs = 15 * 60_000
/** Queues on a page of a list, at most and by default. */
export const maxQueuePage = 5000

/** The oldest version of the storage services with bearer tokens. */
export const oldestBearerVersion = '2017-11-09'
/** The version that is answered to a request that names none. */
export const newestVersion = '2026-06-06'

export const storageLimits = {
  accounts: {
    value: 250,
    unit: 'count',
    what: 'storage accounts of the local Azure',
    beyond: 'no further one is created (409)',
  },
  queues: {
    value: 1000,
    unit: 'count',
    what: 'queues of a storage account of the local Azure',
    beyond: 'no further one is created (507)',
  },
  metadataBytes: {
    value: 8 * 1024,
    unit: 'bytes',
    what: 'names and values of the metadata of a queue of the local Azure',
    beyond: 'the request is answered with 400',
  },
  messages: {
    value: 100_000,
    unit: 'count',
    what: 'messages in a queue of the local Azure',
    beyond: 'no further one is put (507)',
  },
  queuedBytes: {
    value: 64 * 1024 * 1024,
    unit: 'bytes',
    what: 'text of all messages in a storage account of the local Azure',
    beyond: 'no further message is put (507)',
  },
  messageBytes: {
    value: 64 * 1024,
    unit: 'bytes',
    what: 'text of a message in a queue of the local Azure',
    beyond: 'the request is answered with 413',
  },
  bodyBytes: {
    value: 512 * 1024,
    unit: 'bytes',
    what: 'body of a request to a queue of the local Azure, in which a character may be an XML entity',
    beyond: 'the request is answered with 413',
  },
} as const satisfies LimitTable
