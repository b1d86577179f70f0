/** kubernetes/sockets: the Unix sockets of a node, on which kubelet, the driver and providers meet, on Linux and on Windows. */
export * from './node-sockets.ts'
export { createRelayedSockets, parseRelayAddress, RelayError } from './relayed-sockets.ts'
export * from './sockets-of.ts'
export { bindServer, unixSockets } from './unix-sockets.ts'
