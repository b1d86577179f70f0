import type { LimitTable } from '#lib'

/** What a class may ask for with `secretObjects`. */
export const secretObjectLimits = {
  secretObjects: {
    value: 100,
    unit: 'count',
    what: 'secretObjects of a class',
    beyond: 'The driver writes no Secret of the class; the webhook reports it and checks the first ones only.',
  },
  secretData: {
    value: 1000,
    unit: 'count',
    what: 'data entries of all secretObjects of a class, those for every file counted for each',
    beyond:
      'The driver and the sync controller write no Secret of the class; the webhook reports it and checks the first ones only.',
  },
} as const satisfies LimitTable
