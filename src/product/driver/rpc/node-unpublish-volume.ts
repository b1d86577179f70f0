import { existsSync, lstatSync, readdirSync, readlinkSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse } from '#kubernetes/csi'
import { Code, RpcError } from '#kubernetes/grpc'
import { errorMessage } from '#lib'
import type { Parts } from '../parts.ts'
import { parseUnpublishRequest } from './publish-request.ts'

export type NodeUnpublishVolume = (
  raw: NodeUnpublishVolumeRequest,
  signal: AbortSignal,
) => Promise<NodeUnpublishVolumeResponse>

/**
 * NodeUnpublishVolume: nothing is mounted at the target path and the path is gone. Nothing there to begin with is success.
 * The status object goes with its pod, which owns it.
 */
export function createNodeUnpublishVolume(parts: Parts): NodeUnpublishVolume {
  const { mounter, volumes, operations, metrics, log } = parts
  return async (raw, signal) => {
    try {
      const { targetPath } = parseUnpublishRequest(raw)
      const target = await existing(targetPath)
      if (target === undefined) {
        for (const volume of volumes.all()) if (volume.targetPath === targetPath) volumes.delete(volume.target)
      } else {
        operations.interrupt(target)
        await operations.run(target, signal, async () => {
          volumes.delete(target)
          await clear(target)
        })
      }
      metrics.unpublish()
      return {}
    } catch (error) {
      metrics.unpublishError()
      throw error
    }
  }

  async function existing(targetPath: string): Promise<string | undefined> {
    try {
      return await mounter.existing(targetPath)
    } catch (error) {
      throw new RpcError(Code.INTERNAL, `cannot unpublish ${targetPath}: ${errorMessage(error)}`, { cause: error })
    }
  }

  async function clear(target: string): Promise<void> {
    try {
      await mounter.unmount(target)
      // An interrupted publish has cleared up after itself.
      if (!existsSync(target)) return
      removeOwnEntries(target)
      rmdirSync(target)
    } catch (error) {
      // This text is a contract: suites of the field fail when a driver's log has it.
      const message = `failed to clean and unmount target path ${target}: ${errorMessage(error)}`
      log.error({ targetPath: target }, message)
      throw new RpcError(Code.INTERNAL, message, { cause: error })
    }
  }
}

/** On a bare directory only what a driver wrote is removed; anything else makes the rmdir that follows fail, and is named by it. */
function removeOwnEntries(target: string): void {
  const names = readdirSync(target)
  const own = names.filter((name) => isOwn(target, name))
  for (const name of own) rmSync(join(target, name), { recursive: true, force: true })
  const foreign = names.filter((name) => !own.includes(name))
  if (foreign.length > 0) throw new Error(`it holds what no driver put there: ${foreign.slice(0, 5).join(', ')}`)
}

/** `..data`, the directories behind it, and the links into it. */
function isOwn(target: string, name: string): boolean {
  const stat = lstatSync(join(target, name))
  if (name.startsWith('..')) return stat.isDirectory() || stat.isSymbolicLink()
  return stat.isSymbolicLink() && readlinkSync(join(target, name)) === join('..data', name)
}
