import { NodeServiceCapability_RPC_Type as Capability, type NodeServer } from '#kubernetes/csi'
import { Code, RpcError, type Unary } from '#kubernetes/grpc'
import type { Parts } from '../parts.ts'
import { nodeGetVolumeStats } from './node-get-volume-stats.ts'
import type { NodePublishVolume } from './node-publish-volume.ts'
import type { NodeUnpublishVolume } from './node-unpublish-volume.ts'

export interface NodeServiceOptions {
  unary: Unary
  parts: Parts
  nodeId: string
  nodePublishVolume: NodePublishVolume
  nodeUnpublishVolume: NodeUnpublishVolume
}

/** Inline volumes are never staged or expanded; kubelet asks for neither, as they are not among the capabilities. */
const capabilities = [Capability.VOLUME_MOUNT_GROUP, Capability.GET_VOLUME_STATS, Capability.VOLUME_CONDITION]

/** The Node service of CSI. https://github.com/container-storage-interface/spec/blob/master/spec.md#node-service-rpc */
export function createNodeService(options: NodeServiceOptions): NodeServer {
  const { unary, parts, nodeId, nodePublishVolume, nodeUnpublishVolume } = options
  const notOffered = (rpc: string) =>
    unary(rpc, (): never => {
      throw new RpcError(Code.UNIMPLEMENTED, `${rpc} is not offered: volumes of this driver are inline in a pod`)
    })
  return {
    nodePublishVolume: unary('NodePublishVolume', (request, { signal }) => nodePublishVolume(request, signal)),
    nodeUnpublishVolume: unary('NodeUnpublishVolume', (request, { signal }) => nodeUnpublishVolume(request, signal)),
    nodeGetVolumeStats: unary('NodeGetVolumeStats', (request) => nodeGetVolumeStats(parts, request)),
    nodeGetInfo: unary('NodeGetInfo', () => ({ nodeId, maxVolumesPerNode: 0 })),
    nodeGetCapabilities: unary('NodeGetCapabilities', () => ({
      capabilities: capabilities.map((type) => ({ type: { $case: 'rpc' as const, value: { type } } })),
    })),
    nodeStageVolume: notOffered('NodeStageVolume'),
    nodeUnstageVolume: notOffered('NodeUnstageVolume'),
    nodeExpandVolume: notOffered('NodeExpandVolume'),
  }
}
