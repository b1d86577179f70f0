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
  const { containersAndMounts, mountPath } = webhookLimits
  let count = 0
  let longestPath = 0
  for (const containers of [listOf(spec?.initContainers), listOf(spec?.containers)]) {
    for (const container of containers ?? []) {
      const mounts = listOf(recordOf(container)?.volumeMounts) ?? []
      count += 1 + mounts.length
      for (const mount of mounts) longestPath = Math.max(longestPath, stringOf(recordOf(mount)?.mountPath)?.length ?? 0)
    }
  }
  if (count > containersAndMounts.value) return beyondLimit(containersAndMounts, count)
  return longestPath > mountPath.value ? beyondLimit(mountPath, longestPath) : undefined
}
