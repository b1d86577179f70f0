import { beyondLimit } from '#lib'
import { listOf, recordOf, stringOf } from '#lib/formats'
import { webhookLimits } from './limits.ts'

/**
 * Why a pod is larger than the webhook works on; undefined when it is not. Counts only, so that a pod of any size costs next
 * to nothing. Real pods are far below these limits, and one beyond them is better off without its token than the cluster
 * without its webhook.
 */
export function oversizeOf(pod: unknown): string | undefined {
  const spec = recordOf(recordOf(pod)?.spec)
  const containers = [...(listOf(spec?.initContainers) ?? []), ...(listOf(spec?.containers) ?? [])]
  const { containersAndMounts, mountPath } = webhookLimits
  const mounts = containers.map((container) => listOf(recordOf(container)?.volumeMounts) ?? [])
  const count = mounts.reduce((sum, { length }) => sum + length, containers.length)
  if (count > containersAndMounts.value) return beyondLimit(containersAndMounts, count)
  for (const mount of mounts.flat()) {
    const { length } = stringOf(recordOf(mount)?.mountPath) ?? ''
    if (length > mountPath.value) return beyondLimit(mountPath, length)
  }
  return undefined
}
