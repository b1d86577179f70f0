import type { Volume } from '../mount/volumes.ts'

/** The volumes of one class on this node; at least one. */
export interface ClassVolumes {
  namespace: string
  className: string
  newest: Volume
  /** Newest content first. */
  volumes: readonly Volume[]
}

/** @param others of the same class. */
export function classVolumes(one: Volume, others: readonly Volume[] = []): ClassVolumes {
  const volumes = [one, ...others].toSorted((a, b) => b.changedAt - a.changedAt)
  const newest = volumes[0] ?? one
  return { namespace: newest.pod.namespace, className: newest.className, newest, volumes }
}
