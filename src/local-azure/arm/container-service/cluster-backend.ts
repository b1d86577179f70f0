/**
 * What really runs behind a managed cluster, handed in by whoever starts the local Azure. Without one, clusters cannot be
 * made: the local Azure shows none that is not there.
 */
export interface ClusterBackend {
  /** Version of the clusters that it makes, for example `1.34.0`. */
  readonly kubernetesVersion: string
  /** Why no further cluster can be made, for people; undefined when one can. */
  quotaReached(): string | undefined
  /** Starts a cluster and resolves when its API server answers. Rejects when it cannot, and leaves nothing behind. */
  create(cluster: { id: string; name: string }, signal: AbortSignal): Promise<ClusterEndpoint>
  /** The administrator's kubeconfig, YAML. */
  kubeconfig(id: string): Promise<string>
  /** Installs, configures, or (undefined) removes the secrets provider in the cluster. */
  setSecretsProvider(id: string, settings: SecretsProviderSettings | undefined, signal: AbortSignal): Promise<void>
  /** SecretProviderClasses in the cluster, as `namespace/name`. */
  secretProviderClasses(id: string): Promise<string[]>
  /** Stops the cluster and removes its state. Does nothing when there is none. */
  delete(id: string, signal: AbortSignal): Promise<void>
}

export interface ClusterEndpoint {
  /** Host and port of the API server. */
  host: string
  /** The issuer of service account tokens, exactly as tokens say it. */
  issuerUrl: string
}

export interface SecretsProviderSettings {
  rotation: boolean
  /** As written, for example `2m`. */
  rotationPollInterval: string
}
