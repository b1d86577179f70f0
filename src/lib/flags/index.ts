/** lib/flags */
export * from './go-flags.ts'
export * from './klog-flags.ts'
export * from './listen-address.ts'
