import {
  NodeServiceCapability_RPC_Type as Capability,
  type NodePublishVolumeRequest,
  type NodeServer,
} from '#kubernetes/csi'
import { Code, RpcError, type Unary } from '#kubernetes/grpc'
import type { Node } from '../node.ts'
import { nodeGetVolumeStats } from './node-get-volume-stats.ts'
import { nodePublishVolume } from './node-publish-volume.ts'
import { nodeUnpublishVolume } from './node-unpublish-volume.ts'

/** Inline volumes are never staged or expanded; kubelet asks for neither, as they are not among the capabilities. */
const capabilities = [Capability.VOLUME_MOUNT_GROUP, Capability.GET_VOLUME_STATS, Capability.VOLUME_CONDITION]

/** The Node service of CSI. https://github.com/container-storage-interface/spec/blob/master/spec.md#node-service-rpc */
export function createNodeService(node: Node, unary: Unary): NodeServer {
  const notOffered = (rpc: string) =>
    unary(rpc, (): never => {
      throw new RpcError(Code.UNIMPLEMENTED, `${rpc} is not offered: volumes of this driver are inline in a pod`)
    })
  return {
    nodePublishVolume: unary('NodePublishVolume', (request, { signal }) => nodePublishVolume(node, request, signal), {
      span: { name: 'mount', attributes: describeVolume },
    }),
    nodeUnpublishVolume: unary('NodeUnpublishVolume', (request, { signal }) =>
      nodeUnpublishVolume(node, request, signal),
    ),
    nodeGetVolumeStats: unary('NodeGetVolumeStats', (request) => nodeGetVolumeStats(node, request)),
    nodeGetInfo: unary('NodeGetInfo', () => ({ nodeId: node.config.nodeId, maxVolumesPerNode: 0 })),
    nodeGetCapabilities: unary('NodeGetCapabilities', () => ({
      capabilities: capabilities.map((type) => ({ type: { $case: 'rpc' as const, value: { type } } })),
    })),
    nodeStageVolume: notOffered('NodeStageVolume'),
    nodeUnstageVolume: notOffered('NodeUnstageVolume'),
    nodeExpandVolume: notOffered('NodeExpandVolume'),
  }
}

/** Of a request that nothing has checked yet. */
function describeVolume(request: unknown): Record<string, string> {
  const context = (request as Partial<NodePublishVolumeRequest>).volumeContext ?? {}
  const word = (name: string) => context[name] ?? ''
  const pod = `${word('csi.storage.k8s.io/pod.namespace')}/${word('csi.storage.k8s.io/pod.name')}`
  return { pod, class: word('secretProviderClass') }
}
