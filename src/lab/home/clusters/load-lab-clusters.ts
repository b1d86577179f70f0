import type { LabWorld } from '../session.ts'
import type { LabClusters } from './lab-clusters.ts'

/** The clusters that back the managed clusters of the lab in `root`. Loaded when called, because commands do not need it. */
export async function loadLabClusters(root: string, world: Omit<LabWorld, 'signal'>): Promise<LabClusters> {
  const { createLabClusters } = await import('./lab-clusters.ts')
  return createLabClusters(root, world)
}
