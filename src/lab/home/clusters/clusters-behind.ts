import type { LabCluster } from './lab-cluster.ts'

/** What can be installed into a managed cluster. */
export type ProductPart = 'secrets-provider' | 'webhook'

/** The clusters that stand behind the managed clusters of a lab, by resource id. */
export interface ClustersBehind {
  kubernetesVersion(): Promise<string>
  /** Why no further cluster can be made; undefined when one can. */
  quotaReached(): Promise<string | undefined>
  /** Makes and starts one; leaves nothing behind when that fails. */
  create(cluster: { id: string; nodeName: string }): Promise<LabCluster>
  start(id: string): Promise<LabCluster>
  stop(id: string): Promise<void>
  /** One that runs. Rejects when it does not. */
  find(id: string): Promise<LabCluster>
  /** Takes note that a part of the product was installed into it, or taken out. */
  note(id: string, part: ProductPart, installed: boolean): void
  /** Stops and forgets it; nothing to do when there is none. */
  delete(id: string): Promise<void>
}
