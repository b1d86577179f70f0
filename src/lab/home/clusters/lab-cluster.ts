import type { KubeConfig } from '#kubernetes/client'
import type { SharedMachine } from '../product/product-objects.ts'

/** The cluster of a lab, the embedded one or the user's. */
export interface LabCluster {
  /** Path of the kubeconfig file. */
  kubeconfig: string
  config: KubeConfig
  server: string
  /** OIDC issuer of its service account tokens. */
  issuer: string
  /** CA file of the API server; absent when it is one that the system trusts. */
  caFile: string | undefined
  kubeletRoot: string
  /** Address at which its pods reach servers of this machine. */
  addressForPods: string
  /** Image of the product as the cluster's nodes know it; absent: the one that the manifests name. */
  image: string | undefined
  /** For the embedded cluster: what its pods share with the machine's other programs. */
  shared: SharedMachine | undefined
}
