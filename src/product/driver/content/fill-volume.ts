import { Code } from '#kubernetes/grpc'
import { isEmptyVolume, type ObjectVersion, type StaleContent } from '#kubernetes/provider-protocol'
import { type VolumeFile, type WriteResult, writeFiles } from '#kubernetes/volume-files'
import { beyondLimit } from '#lib'
import { driverLimits } from '../driver-limits.ts'
import { memoryOfFiles, memoryOfRequest, refuseBeyondBudget } from '../mount/memory-budget.ts'
import type { Node } from '../node.ts'
import { codedText } from '../rpc/coded-text.ts'
import { PublishError } from '../rpc/publish-error.ts'
import type { PublishRequest } from '../rpc/publish-request.ts'
import { contentFromFallback } from './fallback-secret.ts'
import { type FetchOptions, fetchContent, type VolumeContent } from './fetch-content.ts'
import type { MountClass } from './mount-class.ts'

export interface FilledVolume {
  versions: readonly ObjectVersion[]
  changed: boolean
  digest: string | undefined
  /** Whether the answer was a large one. */
  large: boolean
  stale: StaleContent | undefined
  /** Hosts of the vaults whose events concern it; empty where they are not known. */
  vaults: readonly string[]
  /** See {@link VolumeContent.tokenOf}. */
  tokenOf: string | undefined
}

export interface FillOptions extends Omit<FetchOptions, 'assertRoom'> {
  target: string
  mountClass: MountClass
  /** Digest of the files that the volume holds; undefined when it is not known. */
  lastDigest: string | undefined
  /** Whether the Secret of `fallbackSecretName` may fill it: a volume that no container has used yet. */
  mayFallBack: boolean
  /** Called with stale content before it is written; throws to keep what the volume holds. */
  onStale?: ((stale: StaleContent) => void) | undefined
}

/** Asks the provider and makes the volume hold its answer: all of it or, when anything fails, what it held before. */
export async function fillVolume(node: Node, request: PublishRequest, options: FillOptions): Promise<FilledVolume> {
  const { target, mountClass, current, signal, onStale } = options
  warnOfReserved(node, request, mountClass)
  const { files, versions, large, stale, vaults: found, tokenOf } = await contentFor(node, request, options)
  signal.throwIfAborted()
  if (stale !== undefined) onStale?.(stale)
  // Providers of the first protocol version write into the target themselves and answer no files.
  const written =
    files.length > 0 || isEmptyVolume(versions) ? await writeContent(node, request, files, options) : undefined
  if (written?.changed !== false) {
    const bytes = (await node.mounter.memoryOf(target)) + memoryOfRequest(request)
    node.memory.set(target, { bytes, namespace: request.pod.namespace })
  }
  // The operator matches events with the class, and knows nothing of what the pod replaces in it.
  const vaults = mountClass.overridden ? [] : found
  return written === undefined
    ? { versions, large, stale, vaults, tokenOf, changed: isDifferent(current, versions), digest: undefined }
    : { versions, large, stale, vaults, tokenOf, ...written }
}

async function contentFor(node: Node, request: PublishRequest, options: FillOptions): Promise<VolumeContent> {
  const { target, mountClass, mayFallBack, signal } = options
  const assertRoom = (bytes: number) => refuseTooLarge(node, request, target, bytes)
  try {
    return await fetchContent(node, request, mountClass, { ...options, assertRoom })
  } catch (error) {
    if (!mayFallBack) throw error
    return await contentFromFallback(node, request, mountClass, { failure: error, signal })
  }
}

/** A class cannot choose who mounts it; leaving its parameter out silently would be hard to find. */
function warnOfReserved({ log }: Node, { pod, className }: PublishRequest, { reserved }: MountClass): void {
  if (reserved.length === 0) return
  const names = reserved.slice(0, 5).join(', ').slice(0, 300)
  const keys = { pod: `${pod.namespace}/${pod.name}`, class: className }
  log.warn(keys, `the class sets parameters that only kubelet may set; they have no effect: ${names}`)
}

/** Either all files are switched, or the volume is as before; in memory, too, nothing is counted that was not written. */
async function writeContent(
  node: Node,
  request: PublishRequest,
  files: readonly VolumeFile[],
  { target, mountClass, lastDigest, signal }: FillOptions,
): Promise<WriteResult> {
  const { memory, mounter, clock } = node
  const bytes = memoryOfFiles(files)
  refuseTooLarge(node, request, target, bytes)
  const before = memory.byTarget.get(target)
  memory.set(target, { bytes: bytes + memoryOfRequest(request), namespace: request.pod.namespace })
  try {
    await mounter.makeRoom(target, bytes)
    signal.throwIfAborted()
    const { groupId } = request
    const owner = groupId === undefined ? mountClass.owner : { groupId, ...mountClass.owner }
    return writeFiles(target, files, { owner, now: new Date(clock.now()), lastDigest })
  } catch (error) {
    memory.set(target, before)
    signal.throwIfAborted()
    throw PublishError.because(
      'FileWriteError',
      Code.UNKNOWN,
      codedText('files-not-written', 'failed to write the files of the volume'),
      error,
    )
  }
}

function refuseTooLarge({ config, memory }: Node, request: PublishRequest, target: string, bytes: number): void {
  if (bytes > config.volumeSizeBytes) {
    const what = beyondLimit(driverLimits.volumeBytes, bytes, config.volumeSizeBytes)
    throw new PublishError('FileWriteError', Code.RESOURCE_EXHAUSTED, codedText('volume-too-large', what))
  }
  refuseBeyondBudget(memory, { target, pod: request.pod, bytes: bytes + memoryOfRequest(request) })
}

function isDifferent(before: readonly ObjectVersion[], after: readonly ObjectVersion[]): boolean {
  const held = new Map(before.map(({ id, version }) => [id, version]))
  return before.length !== after.length || after.some(({ id, version }) => held.get(id) !== version)
}
