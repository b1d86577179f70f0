import type { LabCluster } from './lab-cluster.ts'

/** What can be installed in a managed cluster. */
export type ProductPart = 'secrets-provider' | 'webhook'

/** The clusters that back the managed clusters of a lab, by resource id. */
export interface ClustersBehind {
  kubernetesVersion(): Promise<string>
  /** Why no further cluster can be created; undefined if one can. */
  quotaReached(): Promise<string | undefined>
  /** Creates and starts one; leaves nothing behind when that fails. */
  create(cluster: { id: string; nodeName: string }): Promise<LabCluster>
  start(id: string): Promise<LabCluster>
  stop(id: string): Promise<void>
  /** A running one. Rejects if it is not running. */
  find(id: string): Promise<LabCluster>
  /** Records that a part of Keymount was installed in it or removed from it. */
  note(id: string, part: ProductPart, installed: boolean): void
  /** Stops and deletes it; nothing to do if there is no such cluster. */
  delete(id: string): Promise<void>
}
