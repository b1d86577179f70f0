import type { KubeObject, SecretProviderClass } from '#kubernetes/client'
import { cleanMetadata, templateOf } from './migrated-workload.ts'

/** Names of the classes that a workload mounts. */
export function classesOf(workload: KubeObject): string[] {
  const { volumes = [] } = templateOf(workload).spec
  return volumes.flatMap(({ csi }) =>
    csi?.driver === 'secrets-store.csi.k8s.io' ? (csi.volumeAttributes?.secretProviderClass ?? []) : [],
  )
}

/** The class, changed to sign in by workload identity; undefined for one that does not use pod identity. */
export function migratedClass(found: SecretProviderClass, clientId: string): SecretProviderClass | undefined {
  const { metadata, spec = {} } = found
  const { usePodIdentity, ...parameters } = spec.parameters ?? {}
  if (spec.provider !== 'azure' || usePodIdentity?.toLowerCase() !== 'true') return undefined
  return {
    apiVersion: found.apiVersion,
    kind: found.kind,
    metadata: cleanMetadata(metadata),
    spec: { ...spec, parameters: { ...parameters, clientID: clientId } },
  }
}
