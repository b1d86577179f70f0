import type { KubeObject, SecretProviderClass } from '#kubernetes/client'
import { classVolumes } from '../../cluster/class-volumes.ts'
import { cleanMetadata, templateOf } from './migrated-workload.ts'

/** Names of the classes that a workload mounts. */
export function classesOf(workload: KubeObject): string[] {
  return classVolumes(templateOf(workload).spec).flatMap(({ className }) => (className === '' ? [] : [className]))
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
