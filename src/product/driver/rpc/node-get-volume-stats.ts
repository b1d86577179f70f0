import { statfsSync } from 'node:fs'
import { type NodeGetVolumeStatsRequest, type NodeGetVolumeStatsResponse, VolumeUsage_Unit } from '#kubernetes/csi'
import { Code, RpcError } from '#kubernetes/grpc'
import { type Problem, ProblemsError } from '#lib'
import type { Parts } from '../parts.ts'

/** How full the volume is, and whether its last rotation failed. */
export async function nodeGetVolumeStats(
  { mounter, volumes }: Parts,
  { volumeId, volumePath }: NodeGetVolumeStatsRequest,
): Promise<NodeGetVolumeStatsResponse> {
  const problems: Problem[] = []
  if (volumeId === '') problems.push({ path: 'volume_id', message: 'missing' })
  if (volumePath === '') problems.push({ path: 'volume_path', message: 'missing' })
  if (problems.length > 0) throw new ProblemsError('NodeGetVolumeStats', problems)
  const target = await mounter.existing(volumePath).catch(() => undefined)
  if (target === undefined || !(await mounter.isMounted(target)))
    throw new RpcError(Code.NOT_FOUND, `no volume is mounted at ${volumePath}`)
  const { bsize, blocks, bavail, files, ffree } = statfsSync(target)
  const failure = volumes.get(target)?.failure
  return {
    usage: [
      {
        unit: VolumeUsage_Unit.BYTES,
        total: blocks * bsize,
        available: bavail * bsize,
        used: (blocks - bavail) * bsize,
      },
      { unit: VolumeUsage_Unit.INODES, total: files, available: ffree, used: files - ffree },
    ],
    volumeCondition:
      failure === undefined
        ? { abnormal: false, message: 'the last check succeeded' }
        : { abnormal: true, message: `the last check failed: ${failure.message}` },
  }
}
