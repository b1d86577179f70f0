/**
 * netfilter: the rules by which the kernel sends connections elsewhere, written through the command line of iptables, whose
 * programs are in the image. For the proxy sidecar, in the network of a pod, and for the node endpoint of pod identity, in
 * that of the node. Knows no Azure; says which capability or program is missing.
 */
export { type Capability, holdsCapability } from './capabilities.ts'
export { explainFailure, type PacketFilter, packetFilters } from './packet-filters.ts'
export { createRunProgram, type ProgramResult, type RunProgram } from './run-program.ts'
