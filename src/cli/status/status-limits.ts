import type { LimitTable } from '#lib'

/** What tenants write into their objects is shown, kept in memory and sent to a browser: each text and list of it has a bound. */
export const statusLimits = {
  text: {
    value: 2000,
    unit: 'characters',
    what: 'a message that status and dashboard show',
    beyond: 'It is cut off.',
  },
  name: {
    value: 253,
    unit: 'characters',
    what: 'a name, a version or an id that status and dashboard show',
    beyond: 'It is cut off.',
  },
  objects: {
    value: 100,
    unit: 'count',
    what: 'objects of a volume that status and dashboard list',
    beyond: 'They are counted.',
  },
  events: {
    value: 5000,
    unit: 'count',
    what: 'events that status and dashboard keep',
    beyond: 'The oldest are left out.',
  },
  affected: {
    value: 20,
    unit: 'count',
    what: 'objects that a problem names',
    beyond: 'They are counted.',
  },
} as const satisfies LimitTable
