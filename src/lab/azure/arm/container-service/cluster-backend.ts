import { Refusal } from '../../http/refusal.ts'

/**
 * Runs the clusters behind managed clusters. Given by the program that starts the local Azure; without one, managed clusters
 * cannot be created. Clusters are named by their resource ids, in any case.
 */
export interface ClusterBackend {
  /** Version of its clusters, for example `1.34.0`. */
  kubernetesVersion(): Promise<string>
  /** Why no further cluster can be created, as a message for users; undefined when one can. */
  quotaReached(): Promise<string | undefined>
  /** Creates and starts a cluster and resolves when its API server answers. On failure rejects and leaves nothing behind. */
  create(cluster: ClusterLocation & { nodeName: string }, signal: AbortSignal): Promise<ClusterEndpoint>
  /** Starts an existing cluster; does nothing when it is running. Rejects when it does not exist. */
  start(cluster: ClusterLocation, signal: AbortSignal): Promise<ClusterEndpoint>
  /** Stops the cluster's processes and keeps its state. */
  stop(id: string): Promise<void>
  /** The administrator's kubeconfig, YAML. */
  kubeconfig(id: string): Promise<string>
  /** Installs and configures the secrets provider in the cluster, or removes it (undefined), and waits for the result. */
  setSecretsProvider(id: string, settings: SecretsProviderSettings | undefined, signal: AbortSignal): Promise<void>
  /** Installs the webhook of workload identity, or removes it (undefined), and waits for the result. */
  setWorkloadIdentity(id: string, settings: WorkloadIdentitySettings | undefined, signal: AbortSignal): Promise<void>
  /** SecretProviderClasses in the cluster, as `namespace/name`. */
  secretProviderClasses(id: string): Promise<string[]>
  /** Stops the cluster and removes its state. Does nothing when it does not exist. */
  delete(id: string): Promise<void>
}

/** A managed cluster, and how its nodes reach the cloud. */
export interface ClusterLocation {
  id: string
  /** URL of the metadata service for its nodes. */
  imds: string
}

export interface WorkloadIdentitySettings {
  /** Default tenant of service accounts. */
  tenantId: string
}

export interface ClusterEndpoint {
  /** Host and port of the API server. */
  host: string
  /** The issuer of service account tokens, exactly as in the tokens. */
  issuerUrl: string
  /** PEM of the authority of the issuer's certificate. Default: the system's authorities. */
  issuerCa?: string | undefined
}

export interface SecretsProviderSettings {
  rotation: boolean
  /** As given, for example `2m`. */
  rotationPollInterval: string
  /** URL of the metadata service for the cluster's nodes. */
  imds: string
}

/** Throws {@link Refusal} when this local Azure runs no clusters. */
export function requireBackend(backend: ClusterBackend | undefined): ClusterBackend {
  if (backend !== undefined) return backend
  throw new Refusal(501, 'NotImplemented', 'This local Azure was started without anything that runs clusters.')
}

/** A backend that is loaded when something is first asked of it, because most labs have no managed cluster; again after a failure. */
export function loadedWhenUsed(load: () => Promise<ClusterBackend>): ClusterBackend {
  let loading: Promise<ClusterBackend> | undefined
  const backend = () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined
      throw error
    })
    return loading
  }
  return {
    kubernetesVersion: async () => (await backend()).kubernetesVersion(),
    quotaReached: async () => (await backend()).quotaReached(),
    create: async (cluster, signal) => (await backend()).create(cluster, signal),
    start: async (cluster, signal) => (await backend()).start(cluster, signal),
    stop: async (id) => (await backend()).stop(id),
    kubeconfig: async (id) => (await backend()).kubeconfig(id),
    setSecretsProvider: async (id, settings, signal) => (await backend()).setSecretsProvider(id, settings, signal),
    setWorkloadIdentity: async (id, settings, signal) => (await backend()).setWorkloadIdentity(id, settings, signal),
    secretProviderClasses: async (id) => (await backend()).secretProviderClasses(id),
    delete: async (id) => (await backend()).delete(id),
  }
}
