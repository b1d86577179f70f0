import type { ControllerServer } from '#kubernetes/csi'
import { Code, RpcError, type Unary } from '#kubernetes/grpc'
import { Problems } from '#lib'

/**
 * The Controller service of CSI, for callers that expect one: it has no capability. Its calls check their arguments as the
 * specification demands, and are then Unimplemented: volumes of this driver are inline in a pod.
 * https://github.com/container-storage-interface/spec/blob/master/spec.md#controller-service-rpc
 */
export function createControllerService(unary: Unary): ControllerServer {
  const notOffered = <Request>(rpc: string, check: (request: Request, problems: Problems) => void) =>
    unary(rpc, (request: Request): never => {
      const problems = new Problems()
      check(request, problems)
      problems.throwIfAny(rpc)
      throw new RpcError(Code.UNIMPLEMENTED, `${rpc} is not offered: volumes of this driver are inline in a pod`)
    })
  return {
    controllerGetCapabilities: unary('ControllerGetCapabilities', () => ({})),
    createVolume: notOffered('CreateVolume', ({ name, volumeCapabilities }, problems) => {
      required({ name, volume_capabilities: volumeCapabilities }, problems)
    }),
    deleteVolume: notOffered('DeleteVolume', ({ volumeId }, problems) => required({ volume_id: volumeId }, problems)),
    controllerPublishVolume: notOffered(
      'ControllerPublishVolume',
      ({ volumeId, nodeId, volumeCapability }, problems) => {
        required({ volume_id: volumeId, node_id: nodeId, volume_capability: volumeCapability }, problems)
      },
    ),
    controllerUnpublishVolume: notOffered('ControllerUnpublishVolume', ({ volumeId }, problems) => {
      required({ volume_id: volumeId }, problems)
    }),
    validateVolumeCapabilities: unary('ValidateVolumeCapabilities', ({ volumeId, volumeCapabilities }): never => {
      const problems = new Problems()
      required({ volume_id: volumeId, volume_capabilities: volumeCapabilities }, problems)
      problems.throwIfAny('ValidateVolumeCapabilities')
      throw new RpcError(Code.NOT_FOUND, 'the controller has no volumes: those of this driver are inline in a pod')
    }),
  }
}

/** Adds a problem for each field that is unset: an empty text or list, or no message. */
function required(fields: Record<string, unknown>, problems: Problems): void {
  for (const [field, value] of Object.entries(fields)) {
    const isUnset = value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
    if (isUnset) problems.add(field, 'missing')
  }
}
