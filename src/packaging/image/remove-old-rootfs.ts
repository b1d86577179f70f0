import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Root file systems kept beside the newest ones: containers that are on their way out may still run from them. */
const kept = 3

/**
 * Removes the oldest root file systems of a directory, but none that a running program was started with: a local cluster names
 * those of its images on its command line, and its pods could neither run nor end without them.
 */
export function removeOldRootfs(directory: string): void {
  const byAge = readdirSync(directory)
    .filter((name) => name.startsWith('rootfs-'))
    .map((name) => ({ path: join(directory, name), usedAt: statSync(join(directory, name)).mtimeMs }))
    .toSorted((a, b) => b.usedAt - a.usedAt)
  const old = byAge.slice(kept)
  if (old.length === 0) return
  const commandLines = runningCommandLines()
  for (const { path } of old) {
    if (!commandLines.some((words) => words.includes(path))) rmSync(path, { recursive: true, force: true })
  }
}

/** https://man7.org/linux/man-pages/man5/proc_pid_cmdline.5.html */
function runningCommandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        // It has ended meanwhile.
        return ''
      }
    })
}
