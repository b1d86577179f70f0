import { totalmem } from 'node:os'
import { Code } from '#kubernetes/grpc'
import type { VolumeFile } from '#kubernetes/volume-files'
import { PublishError } from '../rpc/publish-error.ts'

/**
 * Memory of all volumes of the node. Their files are in the memory of the driver's own container: without a bound, pods with
 * large volumes get the driver killed, and it dies again after each restart, because the files stay.
 */
export interface MemoryBudget {
  /** In bytes. */
  readonly limit: number
  /** Bytes of each volume, by target. */
  readonly byTarget: Map<string, number>
}

export function createMemoryBudget(limit: number): MemoryBudget {
  return { limit, byTarget: new Map() }
}

/**
 * Throws {@link PublishError} with ResourceExhausted if a volume of `bytes` does not fit. A volume that does not grow is never
 * refused: otherwise a full node would stop rotating.
 */
export function refuseBeyondBudget(
  { limit, byTarget }: MemoryBudget,
  { target, pod, bytes }: { target: string; pod: string; bytes: number },
): void {
  const before = byTarget.get(target) ?? 0
  const others = memoryUsed({ byTarget }) - before
  if (bytes <= before || others + bytes <= limit) return
  const what = `the volume of pod ${pod} takes ${mib(bytes)}, and the other volumes of this node take ${mib(others)} of the budget of ${mib(limit)}`
  const advice = "raise the memory limit of the driver's container, or --volume-memory-budget"
  throw new PublishError('FileWriteError', Code.RESOURCE_EXHAUSTED, `${what}: ${advice}`)
}

export function memoryUsed({ byTarget }: Pick<MemoryBudget, 'byTarget'>): number {
  return byTarget.values().reduce((sum, bytes) => sum + bytes, 0)
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

/** Half of the memory that this process may use: of its container, or of the machine where that has no limit. */
export function defaultMemoryBudget(constrained = process.constrainedMemory(), machine = totalmem()): number {
  const isLimited = constrained > 0 && constrained < machine
  return Math.floor((isLimited ? constrained : machine) / 2)
}

function mib(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`
}
