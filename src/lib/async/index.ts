/** lib/async */

export * from './all-ended.ts'
export * from './ends-within.ts'
export * from './fair-budget.ts'
export * from './fair-gate.ts'
export * from './fair-slots.ts'
export * from './for-each-limited.ts'
export * from './keyed-lock.ts'
export * from './poll.ts'
export * from './retry.ts'
export * from './single-flight.ts'
export * from './turn-queue.ts'
export * from './until-aborted.ts'
