import type { Resource } from '#kubernetes/client'
import type { SyncedObject } from './cluster-view.ts'

/** kubernetes-sigs/secrets-store-sync-controller's kind, with the fields that count here. */
export const secretSyncs: Resource<SyncedObject> = {
  group: 'secret-sync.x-k8s.io',
  version: 'v1alpha1',
  plural: 'secretsyncs',
  kind: 'SecretSync',
  namespaced: true,
}
