import { totalmem } from 'node:os'
import { Code } from '#kubernetes/grpc'
import type { VolumeFile } from '#kubernetes/volume-files'
import { createFairBudget, type FairBudget } from '#lib/async'
import { driverLimits } from '../driver-limits.ts'
import { codedText } from '../rpc/coded-text.ts'
import { PublishError } from '../rpc/publish-error.ts'
import type { PublishRequest } from '../rpc/publish-request.ts'

/**
 * Memory of all volumes of the node. Their files are in the memory of the driver's own container: without a bound, pods with
 * large volumes get the driver killed, and it dies again after each restart, because the files stay.
 */
export interface MemoryBudget {
  /** In bytes. */
  readonly limit: number
  /** Bytes of all volumes. */
  readonly used: number
  readonly byTarget: ReadonlyMap<string, VolumeMemory>
  /** Counts a volume, instead of what it had before. Undefined: it is gone. */
  set(target: string, memory: VolumeMemory | undefined): void
  /** Whether the volumes of a namespace may have `more` bytes; see {@link FairBudget}. */
  hasRoom(namespace: string, more: number): boolean
}

export interface VolumeMemory {
  readonly bytes: number
  /** Of the pod. Empty for a volume from before a restart that has no status object. */
  readonly namespace: string
}

export function createMemoryBudget(limit: number): MemoryBudget {
  const byTarget = new Map<string, VolumeMemory>()
  const shares = createFairBudget(limit)
  return {
    limit,
    get used() {
      return shares.used
    },
    byTarget,
    set(target, memory) {
      const before = byTarget.get(target)
      if (before !== undefined) shares.add(before.namespace, -before.bytes)
      byTarget.delete(target)
      if (memory === undefined) return
      byTarget.set(target, memory)
      shares.add(memory.namespace, memory.bytes)
    },
    hasRoom: shares.hasRoom,
  }
}

/**
 * Throws {@link PublishError} with ResourceExhausted if a volume of `bytes` does not fit. A volume that does not grow is never
 * refused: otherwise a full node would stop rotating.
 */
export function refuseBeyondBudget(
  budget: MemoryBudget,
  { target, pod, bytes }: { target: string; pod: { namespace: string; name: string }; bytes: number },
): void {
  const { limit, used } = budget
  const before = budget.byTarget.get(target)?.bytes ?? 0
  const more = bytes - before
  if (more <= 0 || budget.hasRoom(pod.namespace, more)) return
  const others = used - before
  const what = `the volume of pod ${pod.namespace}/${pod.name} takes ${mib(bytes)}, and the other volumes of this node take ${mib(others)} of the budget of ${mib(limit)}`
  const share =
    others + bytes > limit ? '' : ', the last quarter of which is for namespaces that have less than a quarter'
  const advice = "raise the memory limit of the driver's container, or --volume-memory-budget"
  const text = codedText('volume-too-large', `${what}${share}: ${advice}`)
  throw new PublishError('FileWriteError', Code.RESOURCE_EXHAUSTED, text)
}

/** The kernel's memory for a file, directory or link beside its content, in bytes, rounded up. */
export const inodeBytes = 1024

const pageBytes = 4096

/** Memory that the files of a volume take, in bytes: whole pages, and an inode for each file and link. */
export function memoryOfFiles(files: readonly VolumeFile[]): number {
  const pages = files.reduce((sum, { contents }) => sum + Math.ceil(contents.size / pageBytes), 0)
  const directories = files.reduce((sum, { path }) => sum + path.split('/').length - 1, 0)
  // Each file may have a link of its own at the top; then there are the two directories and `..data`.
  return pages * pageBytes + (2 * files.length + directories + 3) * inodeBytes
}

/** The kernel's memory for a mount, with its root and directory entries, and the driver's for a volume and its class; rounded up. */
export const mountBytes = 16 * 1024 + driverLimits.heldClass.value

/** Memory that a volume takes beside its files, in bytes: what kubelet sent with it is kept as long as it is mounted. */
export function memoryOfRequest({ context, tokens, secrets = {} }: PublishRequest): number {
  const texts = Object.entries(context).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  const hidden = Object.entries(secrets).reduce(
    (sum, [name, value]) => sum + name.length + value.size,
    tokens?.size ?? 0,
  )
  return mountBytes + texts + hidden
}

/** Half of the memory that this process may use: of its container, or of the machine where that has no limit. */
export function defaultMemoryBudget(constrained = process.constrainedMemory(), machine = totalmem()): number {
  const isLimited = constrained > 0 && constrained < machine
  return Math.floor((isLimited ? constrained : machine) / 2)
}

function mib(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`
}
