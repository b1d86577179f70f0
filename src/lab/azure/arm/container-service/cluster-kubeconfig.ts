import { parse, stringify } from 'yaml'
import { groupNameOf } from '../resource-path.ts'
import type { Cluster } from './clusters.ts'

interface Kubeconfig {
  clusters: { name: string; cluster: object }[]
  users: { name: string; user: object }[]
  contexts: { name: string; context: { cluster: string; user: string } }[]
}

/** A kubeconfig with AKS's names: `az aks get-credentials` merges the files of many clusters, and recognizes administrators by the user's name. */
export function clusterKubeconfig(text: string, cluster: Cluster, role: 'clusterUser' | 'clusterAdmin'): string {
  const { clusters, users } = parse(text) as Kubeconfig
  const name = cluster.name
  const user = `${role}_${groupNameOf(cluster.id)}_${name}`
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: clusters.slice(0, 1).map((each) => ({ ...each, name })),
    users: users.slice(0, 1).map((each) => ({ ...each, name: user })),
    contexts: [{ name, context: { cluster: name, user } }],
    'current-context': name,
  })
}
