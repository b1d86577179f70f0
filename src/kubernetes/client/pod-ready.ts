import type { Pod } from './objects.ts'

/** Whether kubelet reports a pod as ready. */
export function isPodReady({ status }: Pod): boolean {
  return status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false
}
