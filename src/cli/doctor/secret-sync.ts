import type { Condition, KubeObject, Resource } from '#kubernetes/client'

/** kubernetes-sigs/secrets-store-sync-controller's kind, with the fields that count here. */
export interface SecretSync extends KubeObject {
  spec: { secretProviderClassName: string; serviceAccountName: string }
  status?: { conditions?: Condition[] }
}

export const secretSyncs: Resource<SecretSync> = {
  group: 'secret-sync.x-k8s.io',
  version: 'v1alpha1',
  plural: 'secretsyncs',
  kind: 'SecretSync',
  namespaced: true,
}
