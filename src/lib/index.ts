/** lib */
export * from './clock.ts'
export * from './coded-error.ts'
export * from './log.ts'
export * from './metrics.ts'
export * from './nearest-name.ts'
export * from './problem.ts'
export * from './running.ts'
export * from './secret-value.ts'
