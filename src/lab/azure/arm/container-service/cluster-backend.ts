/**
 * What really runs behind a managed cluster, handed in by whoever starts the local Azure. Without one, clusters cannot be
 * made: the local Azure shows none that is not there. Clusters are named by their resource ids, in any casing.
 */
export interface ClusterBackend {
  /** Version of the clusters that it makes, for example `1.34.0`. */
  kubernetesVersion(): Promise<string>
  /** Why no further cluster can be made, for people; undefined when one can. */
  quotaReached(): Promise<string | undefined>
  /** Makes and starts a cluster and resolves when its API server answers. Rejects when it cannot, and leaves nothing behind. */
  create(cluster: ClusterPlace & { nodeName: string }, signal: AbortSignal): Promise<ClusterEndpoint>
  /** Starts a cluster that was made; one that runs stays as it is. Rejects when there is none. */
  start(cluster: ClusterPlace, signal: AbortSignal): Promise<ClusterEndpoint>
  /** Ends what runs; its state stays. */
  stop(id: string): Promise<void>
  /** The administrator's kubeconfig, YAML. */
  kubeconfig(id: string): Promise<string>
  /** Installs, configures, or (undefined) removes the secrets provider in the cluster, and waits until it is so. */
  setSecretsProvider(id: string, settings: SecretsProviderSettings | undefined, signal: AbortSignal): Promise<void>
  /** Installs or (undefined) removes the webhook of workload identity, and waits until it is so. */
  setWorkloadIdentity(id: string, settings: WorkloadIdentitySettings | undefined, signal: AbortSignal): Promise<void>
  /** SecretProviderClasses in the cluster, as `namespace/name`. */
  secretProviderClasses(id: string): Promise<string[]>
  /** Stops the cluster and removes its state. Does nothing when there is none. */
  delete(id: string): Promise<void>
}

/** A managed cluster, and the part of the cloud that its nodes are in. */
export interface ClusterPlace {
  id: string
  /** URL of the metadata service that answers for its nodes. */
  imds: string
}

export interface WorkloadIdentitySettings {
  /** Tenant of service accounts that name none. */
  tenantId: string
}

export interface ClusterEndpoint {
  /** Host and port of the API server. */
  host: string
  /** The issuer of service account tokens, exactly as tokens say it. */
  issuerUrl: string
  /** PEM of the authority that signed for the issuer; absent when it is one that the system trusts. */
  issuerCa?: string | undefined
}

export interface SecretsProviderSettings {
  rotation: boolean
  /** As written, for example `2m`. */
  rotationPollInterval: string
  /** URL of the metadata service that answers for the cluster's nodes. */
  imds: string
}
