import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The kernel cuts names of processes here. */
const maxName = 15

/** Processes that this one sees, by the name of their program, apart from this one and its parents. */
export function processesNamed(name: string, root = '/proc'): number[] {
  const own = ancestors(process.pid, root)
  return readdirSync(root)
    .filter((entry) => /^\d+$/.test(entry) && !own.has(Number(entry)) && nameOf(entry, root) === name.slice(0, maxName))
    .map(Number)
}

function nameOf(pid: string, root: string): string | undefined {
  try {
    return readFileSync(join(root, pid, 'comm'), 'utf8').trimEnd()
  } catch {
    // It ended meanwhile.
    return undefined
  }
}

function ancestors(pid: number, root: string): Set<number> {
  const found = new Set<number>()
  for (let current = pid; current > 0 && !found.has(current); ) {
    found.add(current)
    try {
      const status = readFileSync(join(root, String(current), 'status'), 'utf8')
      current = Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? 0)
    } catch {
      return found
    }
  }
  return found
}
