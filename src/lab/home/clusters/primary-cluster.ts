/** Name of the managed cluster that is the cluster of `up`, and of its resource group. */
export const primaryName = 'keymount'

/** Whether this resource id is that of the lab's own cluster. */
export function isPrimary(id: string): boolean {
  return /\/resourceGroups\/keymount\/providers\/Microsoft\.ContainerService\/managedClusters\/keymount$/i.test(id)
}
