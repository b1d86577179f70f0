/**
 * netfilter: the kernel's rules that redirect connections, written through the command line of iptables, whose programs are
 * in the image. For the proxy sidecar, in the network of a pod, and for the node endpoint of pod identity, in that of the
 * node. Independent of Azure; its errors name the capability or program that is missing.
 */
export { type Capability, holdsCapability } from './capabilities.ts'
export { explainFailure, type PacketFilter, packetFilters } from './packet-filters.ts'
