import type { LabWorld } from '../session.ts'
import type { LabClusters } from './lab-clusters.ts'

/** What stands behind the managed clusters of the lab in `root`. Loaded when it is asked for: no command needs it. */
export async function loadLabClusters(root: string, world: Omit<LabWorld, 'signal'>): Promise<LabClusters> {
  const { createLabClusters } = await import('./lab-clusters.ts')
  return createLabClusters(root, world)
}
