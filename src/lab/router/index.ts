/**
 * lab/router: the process between the pods of a local cluster and everything else: Services, names, and servers of the
 * machine. It imports nothing but Node, so that it starts fast and stays small.
 */
export { createPodAddresses, freeServiceAddress, isClusterAddress, networkAddresses } from './addresses.ts'
export { joinSockets } from './join-sockets.ts'
export type { FromRouter, Routes, ToRouter } from './router-messages.ts'
export { type RouterChannel, serveRouter } from './serve-router.ts'
