import { readFileSync } from 'node:fs'

/**
 * A process, told apart from a later one that got the same number: its start time in clock ticks since boot, and the boot.
 * proc(5), field 22 of /proc/PID/stat.
 */
export interface ProcessIdentity {
  pid: number
  startTime: string
  bootId: string
}

interface ProcessStat {
  /** One letter; `Z` is a process that has ended and waits to be collected. */
  state: string
  parent: number
  startTime: string
}

/** What the kernel says of a process, or undefined when there is none. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command name stands in parentheses and may hold anything, parentheses too.
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

/** Whether exactly this process still runs. */
export function isSameProcessAlive({ pid, startTime, bootId: boot }: ProcessIdentity): boolean {
  const now = identifyProcess(pid)
  return now !== undefined && now.startTime === startTime && now.bootId === boot
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
