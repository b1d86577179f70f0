import { listOf, recordOf, stringOf, valueAt } from '#lib/formats'
import type { Manifest } from './read-manifests.ts'
import type { Path } from './yaml-document.ts'

export const secretsDriver = 'secrets-store.csi.k8s.io'

/** A volume of the driver in a pod. */
export interface ClassVolume {
  /** Of the volume. */
  name: string
  path: Path
  csi: Record<string, unknown>
  attributes: Record<string, unknown>
  /** Empty where the volume names none. */
  className: string
}

export interface ContainerManifest {
  name: string
  path: Path
  value: Record<string, unknown>
}

/** A pod, or the template by which a workload makes pods. */
export interface PodManifest {
  manifest: Manifest
  /** Of the pod or its template: `metadata` and `spec` are below. */
  path: Path
  labels: Record<string, unknown>
  annotations: Record<string, unknown>
  spec: Record<string, unknown>
  containers: readonly ContainerManifest[]
  classVolumes: readonly ClassVolume[]
  /** Empty where the pod names none. */
  account: string
  /** How many pods there will be; 1 where the manifest leaves it open. */
  replicas: number
}

/** Where the kinds of Kubernetes, and most others that make pods, have the template. */
const templatePaths: readonly Path[] = [['spec', 'jobTemplate', 'spec', 'template'], ['spec', 'template'], ['template']]

export function podManifest(manifest: Manifest): PodManifest | undefined {
  const paths = manifest.kind === 'Pod' ? [[]] : templatePaths
  const path = paths.find((one) => listOf(valueAt(manifest.value, ...one, 'spec', 'containers')) !== undefined)
  if (path === undefined) return undefined
  const pod = recordOf(valueAt(manifest.value, ...path))
  const spec = recordOf(pod?.spec) ?? {}
  const metadata = recordOf(pod?.metadata)
  return {
    manifest,
    path,
    labels: recordOf(metadata?.labels) ?? {},
    annotations: recordOf(metadata?.annotations) ?? {},
    spec,
    containers: ['initContainers', 'containers', 'ephemeralContainers'].flatMap((field) =>
      containersOf(spec, path, field),
    ),
    classVolumes: classVolumesOf(spec, path),
    account: stringOf(spec.serviceAccountName) ?? stringOf(spec.serviceAccount) ?? '',
    replicas: replicasOf(manifest),
  }
}

function containersOf(spec: Record<string, unknown>, path: Path, field: string): ContainerManifest[] {
  return (listOf(spec[field]) ?? []).flatMap((one, index) => {
    const value = recordOf(one)
    return value === undefined
      ? []
      : [{ name: stringOf(value.name) ?? '', path: [...path, 'spec', field, index], value }]
  })
}

function classVolumesOf(spec: Record<string, unknown>, path: Path): ClassVolume[] {
  return (listOf(spec.volumes) ?? []).flatMap((one, index) => {
    const csi = recordOf(valueAt(one, 'csi'))
    if (csi?.driver !== secretsDriver) return []
    const attributes = recordOf(csi.volumeAttributes) ?? {}
    return [
      {
        name: stringOf(valueAt(one, 'name')) ?? '',
        path: [...path, 'spec', 'volumes', index],
        csi,
        attributes,
        className: stringOf(attributes.secretProviderClass) ?? '',
      },
    ]
  })
}

function replicasOf({ kind, value }: Manifest): number {
  const found = valueAt(value, 'spec', kind === 'Job' ? 'parallelism' : 'replicas')
  return typeof found === 'number' && found >= 0 && Number.isFinite(found) ? found : 1
}
