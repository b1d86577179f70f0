import { type KubeClient, type Pod, resources } from '#kubernetes/client'
import { attempt } from '../answer.ts'
import { classVolumes } from './class-volumes.ts'

/** A mount whose content never changes while its container runs. */
export interface PinnedMount {
  pod: string
  container: string
  mountPath: string
}

/** The {@link pinnedMounts} of all pods of a class; none if pods may not be listed. */
export async function pinnedMountsOf(
  kube: KubeClient,
  { namespace, name }: { namespace: string; name: string },
): Promise<PinnedMount[]> {
  const pods = await attempt(() => kube.list(resources.pods, { namespace }))
  return 'value' in pods ? pods.value.items.flatMap((pod) => pinnedMounts(pod, name)) : []
}

/**
 * Mounts of a file of a class by `subPath`: the container sees the file as it was when the container started, whatever is
 * rotated. https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath
 *
 * @param className only of this class. Default: of all.
 */
export function pinnedMounts({ metadata, spec }: Pod, className?: string): PinnedMount[] {
  const volumes = classVolumes(spec).filter((each) => className === undefined || each.className === className)
  const names = new Set(volumes.map(({ volume }) => volume.name))
  return [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ name: container, volumeMounts = [] }) =>
    volumeMounts
      .filter(({ name, subPath = '', subPathExpr = '' }) => names.has(name) && `${subPath}${subPathExpr}` !== '')
      .map(({ mountPath }) => ({ pod: metadata.name ?? '', container, mountPath })),
  )
}
