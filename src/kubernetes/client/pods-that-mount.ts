import type { KubeClient } from './kube-client.ts'
import type { Pod } from './objects.ts'
import { resources } from './resources.ts'

/**
 * The pods on whose nodes kubelet needs a CSI driver to unmount inline volumes, as `NAMESPACE/NAME`, sorted. A pod that has
 * finished or was not scheduled has nothing mounted. Reads a namespace at a time: the pods of a large cluster do not fit in
 * the memory of a small process.
 *
 * @param driver name of the CSI driver, for example `secrets-store.csi.k8s.io`
 */
export async function podsThatMount(kube: KubeClient, driver: string): Promise<string[]> {
  const found: string[] = []
  const { items: namespaces } = await kube.list(resources.namespaces)
  for (const { metadata } of namespaces) {
    const { items } = await kube.list(resources.pods, { namespace: metadata.name })
    for (const pod of items) if (mounts(pod, driver)) found.push(`${pod.metadata.namespace}/${pod.metadata.name}`)
  }
  return found.toSorted()
}

function mounts({ spec, status }: Pod, driver: string): boolean {
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed' || !spec.nodeName) return false
  return spec.volumes?.some(({ csi }) => csi?.driver === driver) ?? false
}
