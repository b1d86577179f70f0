/**
 * sync: `keymount sync`, the controller of SecretSyncs (secret-sync.x-k8s.io/v1alpha1): Kubernetes Secrets from a vault without
 * a pod that mounts them. It asks a provider at its socket, with a token of the service account that the SecretSync names,
 * and holds values only for the time of one check.
 */
export { type SyncProgramConfig, syncFlags, syncProgram } from './config.ts'
export { startSyncDaemon } from './run-sync.ts'
export { type SyncConfig, startSync } from './start-sync.ts'
export { createSyncMetrics, syncMetrics } from './sync-metrics.ts'
