/**
 * lib/flags: command lines of daemons as tables: parsing in Go's way, `--help`, and the values that flags share (addresses,
 * endpoints).
 */
export * from './endpoint.ts'
export * from './go-flags.ts'
export * from './klog-flags.ts'
export * from './listen-address.ts'
export * from './program.ts'
