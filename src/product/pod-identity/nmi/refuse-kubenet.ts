/**
 * With kubenet all pods of a node share one bridge, on which a pod with NET_RAW can take the address of another, and so its
 * identity. Throws when kubelet's command line has kubenet.
 */
export function refuseKubenet(kubeletConfig: string): void {
  if (!/--network-plugin[= ]kubenet\b/.test(kubeletConfig)) return
  throw new Error(
    'the node has the network plugin kubenet, with which pods can take the identities of others; drop NET_RAW from pods and set --allow-network-plugin-kubenet',
  )
}
