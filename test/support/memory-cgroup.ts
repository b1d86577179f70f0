import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { eventually } from './eventually.ts'

/** A group of processes with a memory limit, as a container has. Files of a tmpfs count where they were written. */
export interface MemoryCgroup {
  /** Words before a command that make it run in this group. */
  readonly enter: readonly string[]
  /** How many processes the kernel has ended for the limit. */
  kills(): number
}

/**
 * Makes one, which is removed after the test when its processes have ended. Undefined where this process may not: it needs
 * root and a writable hierarchy. https://www.kernel.org/doc/html/latest/admin-guide/cgroup-v2.html
 */
export function createMemoryCgroup(t: TestContext, limitBytes: number): MemoryCgroup | undefined {
  const root = '/sys/fs/cgroup'
  const isSecond = existsSync(join(root, 'cgroup.controllers'))
  const directory = join(root, isSecond ? '' : 'memory', `keymount-${randomUUID().slice(0, 8)}`)
  try {
    mkdirSync(directory)
  } catch {
    return undefined
  }
  // After every other hook of the test, which end its processes.
  t.after(() => t.after(() => eventually(() => rmdirSync(directory))))
  try {
    writeFileSync(join(directory, isSecond ? 'memory.max' : 'memory.limit_in_bytes'), String(limitBytes))
  } catch {
    return undefined
  }
  const swap = join(directory, 'memory.swap.max')
  if (existsSync(swap)) writeFileSync(swap, '0')
  const events = join(directory, isSecond ? 'memory.events' : 'memory.oom_control')
  return {
    // "0" is the process that writes.
    enter: ['sh', '-c', `echo 0 > '${join(directory, 'cgroup.procs')}' && exec "$@"`, 'sh'],
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(events, 'utf8'))?.[1]),
  }
}
