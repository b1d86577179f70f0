/** lib/async */
export * from './fair-slots.ts'
export * from './for-each-limited.ts'
export * from './keyed-lock.ts'
export * from './retry.ts'
export * from './single-flight.ts'
