/**
 * The one Kubernetes client of all parts: typed get, list, watch, write, server-side apply, tokens and events over HTTPS, for
 * kubeconfig files and for pods. Thin on purpose: the official client costs 26 MiB on every node. Errors are `KubeError`.
 */
export * from './annotations.ts'
export type { CallOptions } from './api-call.ts'
export * from './event-recorder.ts'
export * from './exec.ts'
export * from './follow.ts'
export * from './follow-into.ts'
export * from './kube-client.ts'
export * from './kube-config.ts'
export * from './kube-error.ts'
export * from './lead.ts'
export type { ObjectList } from './list-pages.ts'
export * from './objects.ts'
export * from './pod-identity-objects.ts'
export type { Selectors } from './query.ts'
export * from './resources.ts'
export * from './secret-object-limits.ts'
export * from './secret-types.ts'
export * from './sync-interval.ts'
export type { Transport, TransportRequest, TransportResponse, TransportStream } from './transport.ts'
export type { WatchEvent, WatchOptions } from './watch-events.ts'
