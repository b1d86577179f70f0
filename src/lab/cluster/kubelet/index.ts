/**
 * kubelet: the node agent of the local cluster. It runs the pods that are bound to its node as processes of this machine in
 * namespaces of their own, registers CSI drivers and has them publish volumes, and reports status and events, over the
 * same HTTPS API and the same gRPC sockets as kubelet. It has no container images: `images.ts` describes what replaces them.
 */
export { type NodeAgentOptions, startNodeAgent } from './node-agent.ts'
