/** lib/http */
export * from './call-socket.ts'
export * from './forward-http.ts'
export * from './http-client.ts'
export * from './http-retry.ts'
export * from './listen-http.ts'
export * from './serve-status.ts'
export * from './unix-socket.ts'
