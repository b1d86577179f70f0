import { existsSync, lstatSync, readdirSync, readlinkSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse } from '#kubernetes/csi'
import { Code, RpcError } from '#kubernetes/grpc'
import { errorCode, errorMessage } from '#lib'
import { retry } from '#lib/async'
import type { Node } from '../node.ts'
import { parseUnpublishRequest } from './publish-request.ts'

/**
 * NodeUnpublishVolume: nothing is mounted at the target path, and the path is gone. Succeeds when nothing is mounted.
 * The status object is deleted with its pod, which owns it.
 */
export async function nodeUnpublishVolume(
  node: Node,
  raw: NodeUnpublishVolumeRequest,
  callSignal: AbortSignal,
): Promise<NodeUnpublishVolumeResponse> {
  try {
    const { targetPath } = parseUnpublishRequest(raw)
    const target = await existingTarget(node, targetPath)
    if (target === undefined) forgetPath(node, targetPath)
    else {
      node.operations.interrupt(target)
      await node.operations.run(target, callSignal, async () => {
        node.volumes.delete(target)
        await clear(node, target)
      })
    }
    node.metrics.unpublish()
    return {}
  } catch (error) {
    node.metrics.unpublishError()
    throw error
  }
}

async function existingTarget({ mounter }: Node, targetPath: string): Promise<string | undefined> {
  try {
    return await mounter.existing(targetPath)
  } catch (error) {
    throw new RpcError(Code.INTERNAL, `cannot unpublish ${targetPath}: ${errorMessage(error)}`, { cause: error })
  }
}

/** Without its directory the resolved path of a volume is not known. */
function forgetPath({ volumes, memory }: Node, targetPath: string): void {
  for (const volume of volumes.all()) {
    if (volume.targetPath !== targetPath) continue
    volumes.delete(volume.target)
    memory.set(volume.target, undefined)
  }
}

async function clear({ mounter, memory, log }: Node, target: string): Promise<void> {
  try {
    await mounter.unmount(target)
    memory.set(target, undefined)
    // An interrupted publish has cleared up after itself.
    if (existsSync(target)) await removeDirectory(target)
  } catch (error) {
    // This text is a contract: upstream's test suites fail when a driver's log has it.
    const message = `failed to clean and unmount target path ${target}: ${errorMessage(error)}`
    log.error({ targetPath: target }, message)
    throw new RpcError(Code.INTERNAL, message, { cause: error })
  }
}

const passing = ['ENOTEMPTY', 'ENOENT', 'EPERM', 'EBUSY']

/** On Windows an entry stays for milliseconds after it was removed, while another program has it open. */
function removeDirectory(target: string): Promise<void> {
  const remove = async () => {
    removeOwnEntries(target)
    rmdirSync(target)
  }
  return retry(remove, { initialMs: 20, shouldRetry: (error) => passing.includes(errorCode(error) ?? '') })
}

/** On a bare directory only what a driver wrote is removed; the error names anything else, and the directory stays. */
function removeOwnEntries(target: string): void {
  const names = readdirSync(target)
  const own = names.filter((name) => isOwn(target, name))
  for (const name of own) rmSync(join(target, name), { recursive: true, force: true })
  const foreign = names.filter((name) => !own.includes(name))
  if (foreign.length > 0) throw new Error(`it holds entries that no driver wrote: ${foreign.slice(0, 5).join(', ')}`)
}

/** `..data`, the directories behind it, and the links into it. */
function isOwn(target: string, name: string): boolean {
  const stat = lstatSync(join(target, name))
  if (name.startsWith('..')) return stat.isDirectory() || stat.isSymbolicLink()
  return stat.isSymbolicLink() && readlinkSync(join(target, name)) === join('..data', name)
}
