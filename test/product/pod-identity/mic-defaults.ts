import type { MicConfig } from '#product/pod-identity'

/** Configuration of the controller in tests: its ports are free ones, and its Lease ends soon. */
export const micDefaults: MicConfig = {
  healthAddress: { host: '127.0.0.1', port: 0 },
  metricsAddress: { host: '127.0.0.1', port: 0 },
  lease: { namespace: 'default', name: 'aad-pod-identity-mic' },
  leaseDurationMs: 2000,
  instance: 'replica-0',
  forceNamespaced: false,
  immutableClientIds: [],
  createDeleteBatch: 20,
  syncRetryMs: 3_600_000,
  reconcileMs: 180_000,
  updateMaxRetry: 2,
  updateRetryMs: 10,
}
