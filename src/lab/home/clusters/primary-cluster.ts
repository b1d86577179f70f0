/** Name of the managed cluster, and of its resource group, that stands for the cluster of `up`. */
export const primaryName = 'keymount'

/** Whether this resource id is that of the lab's own cluster. */
export function isPrimary(id: string): boolean {
  return /\/resourceGroups\/keymount\/providers\/Microsoft\.ContainerService\/managedClusters\/keymount$/i.test(id)
}
