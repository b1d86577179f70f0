import type { KubeConfig } from '#kubernetes/client'
import type { SharedMachine, TokenProxyPlace } from '../product/product-objects.ts'

/** The cluster of a lab: a local one, or the user's. */
export interface LabCluster {
  /** Path of the kubeconfig file. */
  kubeconfig: string
  config: KubeConfig
  server: string
  /** OIDC issuer of its service account tokens. */
  issuer: string
  /** CA file of the API server; absent if the system trusts the CA. */
  caFile: string | undefined
  kubeletRoot: string
  /** Where its pods reach the token proxy of identity bindings, if that is not the API server’s name in the cluster. */
  tokenProxy?: TokenProxyPlace | undefined
  /** Address at which its pods reach servers of this machine. */
  addressForPods: string
  /** Image of Keymount by its name on the cluster's nodes; absent: the one of the manifests. */
  image: string | undefined
  /** For the local cluster: what its pods share with other programs of the machine. */
  shared: SharedMachine | undefined
}
