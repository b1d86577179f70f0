import { readFileSync } from 'node:fs'

/**
 * A process, distinguished from a later one with the same id by its start time in clock ticks since boot (proc(5), field 22
 * of /proc/PID/stat) and by the boot.
 */
export interface ProcessIdentity {
  pid: number
  startTime: string
  bootId: string
}

interface ProcessStat {
  /** One letter; `Z` is a process that has ended and has not been reaped. */
  state: string
  parent: number
  startTime: string
}

/** The kernel's record of a process, or undefined if there is no such process. */
function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command name is in parentheses and may contain anything, parentheses included.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', parent: Number(fields[1]), startTime: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const stat = readProcessStat(pid)
  return stat === undefined || stat.state === 'Z' ? undefined : { pid, startTime: stat.startTime, bootId: bootId() }
}

/** Whether exactly this process is still running. */
export function isSameProcessAlive({ pid, startTime, bootId: boot }: ProcessIdentity): boolean {
  const now = identifyProcess(pid)
  return now !== undefined && now.startTime === startTime && now.bootId === boot
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
