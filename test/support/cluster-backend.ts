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
}

export function createClusterBackend(): TestClusterBackend {
  const clusters = new Map<string, SecretsProviderSettings | undefined>()
  const backend: TestClusterBackend = {
    kubernetesVersion: async () => '1.34.0',
    clusters,
    classes: [],
    room: 1,
    gate: async () => undefined,
    quotaReached: async () => (clusters.size < backend.room ? undefined : `There is room for ${backend.room} cluster.`),
    async create({ id }) {
      await backend.gate()
      clusters.set(id, undefined)
      return endpoint
    },
    start: async () => endpoint,
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

const endpoint = { host: 'localhost:6443', issuerUrl: 'https://localhost:6443' }

const kubeconfig = `
apiVersion: v1
kind: Config
clusters: [{ name: lab, cluster: { server: 'https://localhost:6443' } }]
users: [{ name: admin, user: { token: not-a-token } }]
contexts: [{ name: lab, context: { cluster: lab, user: admin } }]
current-context: lab
`
