/**
 * lib: what knows nothing of Kubernetes, Azure or secrets' business meaning: time, logs, retries, sockets, flags, state files.
 * Other parts import it through this file.
 */
export * from './clock.ts'
export * from './duration.ts'
export * from './go-flags.ts'
export * from './http-client.ts'
export * from './http-retry.ts'
export * from './journal.ts'
export * from './keyed-lock.ts'
export * from './listen-address.ts'
export * from './lock-directory.ts'
export * from './log.ts'
export * from './metrics.ts'
export * from './nearest-name.ts'
export * from './pem.ts'
export * from './pkcs12.ts'
export * from './problem.ts'
export * from './retry.ts'
export * from './run-until-signal.ts'
export * from './secret-value.ts'
export * from './single-flight.ts'
export * from './unix-socket.ts'
