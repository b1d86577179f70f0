import { statfsSync } from 'node:fs'
import { type NodeGetVolumeStatsRequest, type NodeGetVolumeStatsResponse, VolumeUsage_Unit } from '#kubernetes/csi'
import { Code, RpcError } from '#kubernetes/grpc'
import type { Node } from '../node.ts'
import { parseStatsRequest } from './publish-request.ts'

/** NodeGetVolumeStats: how full the volume is, and whether its last rotation failed. */
export async function nodeGetVolumeStats(
  { mounter, volumes }: Node,
  raw: NodeGetVolumeStatsRequest,
): Promise<NodeGetVolumeStatsResponse> {
  const { volumePath } = parseStatsRequest(raw)
  const target = await mounter.existing(volumePath).catch(() => undefined)
  if (target === undefined || !(await mounter.isMounted(target)))
    throw new RpcError(Code.NOT_FOUND, `no volume is mounted at ${volumePath}`)
  return { usage: usageOf(target), volumeCondition: conditionOf(volumes.get(target)?.failure) }
}

function usageOf(target: string) {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(target)
  return [
    {
      unit: VolumeUsage_Unit.BYTES,
      total: blocks * bsize,
      available: bavail * bsize,
      used: (blocks - bavail) * bsize,
    },
    { unit: VolumeUsage_Unit.INODES, total: files, available: ffree, used: files - ffree },
  ]
}

function conditionOf(failure: { message: string } | undefined) {
  return failure === undefined
    ? { abnormal: false, message: 'the last check succeeded' }
    : { abnormal: true, message: `the last check failed: ${failure.message}` }
}
