import { classChangeLimits, eventsConfirmationLimits } from '#kubernetes/client'
import type { LimitTable } from '#lib'

/** What senders of events and authors of classes may take of the operator. */
export const eventsLimits = {
  messageCharacters: {
    value: 128 * 1024,
    unit: 'characters',
    what: 'text of a message in the queue of events',
    beyond: 'The operator deletes the message and counts it (events_ignored_total, invalid).',
  },
  eventsOfMessage: {
    value: 100,
    unit: 'count',
    what: 'events in one message of the queue',
    beyond: 'The operator deletes the message and counts it (events_ignored_total, invalid).',
  },
  deliveries: {
    value: 5,
    unit: 'count',
    what: 'deliveries of a message of the queue',
    beyond: 'The operator deletes the message unread, logs it and counts it (events_ignored_total, undeliverable).',
  },
  heldEvents: {
    value: 5000,
    unit: 'count',
    what: 'events that the operator has received and not finished',
    beyond: 'The operator receives no more until there are fewer. The others wait in the queue.',
  },
  heldPairs: {
    value: 100_000,
    unit: 'count',
    what: 'pairs of an event and a class that is to be annotated because of it',
    beyond:
      'The operator accepts no further event until there are fewer. The others wait, or come again from the queue.',
  },
  objectsOfNamespace: {
    value: 20_000,
    unit: 'count',
    what: 'objects of all classes of a namespace that the operator matches events with',
    beyond:
      'Further classes of the namespace are not matched: their volumes follow by the interval, as without events.',
  },
  ...classChangeLimits,
  confirmationBytes: eventsConfirmationLimits.bytes,
  confirmationNames: eventsConfirmationLimits.names,
  quietInterval: eventsConfirmationLimits.intervalMs,
} as const satisfies LimitTable
