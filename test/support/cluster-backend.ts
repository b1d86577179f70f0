import type { ClusterBackend, SecretsProviderSettings } from '#lab/azure'

/** A backend of managed clusters that records its calls and runs no cluster. */
export interface TestClusterBackend extends ClusterBackend {
  /** Ids of the clusters there are, with the settings of their secrets provider. */
  readonly clusters: Map<string, SecretsProviderSettings | undefined>
  /** SecretProviderClasses that every cluster has. */
  classes: string[]
  /** Clusters that fit. Default 1. */
  room: number
  /** Awaited by whatever makes a cluster, so that a test can hold it. */
  gate: () => Promise<void>
  /** Issuer of every cluster. */
  issuerUrl: string
}

export function createClusterBackend(): TestClusterBackend {
  const clusters = new Map<string, SecretsProviderSettings | undefined>()
  const backend: TestClusterBackend = {
    kubernetesVersion: async () => '1.34.0',
    clusters,
    classes: [],
    room: 1,
    gate: async () => undefined,
    issuerUrl: 'https://localhost:6443',
    quotaReached: async () => (clusters.size < backend.room ? undefined : `There is room for ${backend.room} cluster.`),
    async create({ id }) {
      await backend.gate()
      clusters.set(id, undefined)
      return endpointOf(backend)
    },
    start: async () => endpointOf(backend),
    stop: async () => undefined,
    kubeconfig: async () => kubeconfig,
    async setSecretsProvider(id, settings) {
      clusters.set(id, settings)
    },
    setWorkloadIdentity: async () => undefined,
    secretProviderClasses: async () => backend.classes,
    async delete(id) {
      clusters.delete(id)
    },
  }
  return backend
}

const endpointOf = ({ issuerUrl }: TestClusterBackend) => ({ host: 'localhost:6443', issuerUrl })

const kubeconfig = `
apiVersion: v1
kind: Config
clusters: [{ name: lab, cluster: { server: 'https://localhost:6443' } }]
users: [{ name: admin, user: { token: not-a-token } }]
contexts: [{ name: lab, context: { cluster: lab, user: admin } }]
current-context: lab
`
