import { type FSWatcher, readlinkSync, watch } from 'node:fs'
import { join } from 'node:path'
import { type Clock, errorMessage, type Log, type Running } from '#lib'

export interface WatchVolumesOptions {
  /** Directories of volumes. */
  directories: readonly string[]
  /** A change is reported when nothing has changed for this long, in milliseconds. */
  quietMs: number
  /** Time between two polls, which find what the kernel did not report, in milliseconds. Default 10,000. */
  pollMs?: number | undefined
  /** Called after one or more volumes got other content, once for all changes until then. */
  onChange(directories: readonly string[]): void
  clock: Clock
  log: Log
}

/** The link that names the directory of the present content: all files of a volume change with it at once. */
const dataLink = '..data'

const defaultPollMs = 10_000

/**
 * Watches volumes that kubelet or the driver writes. What counts is another target of `..data`, not the kernel's events, of
 * which there are several for one change, and for none when events were lost. What is there at the start is not a change.
 * Throws for a directory that is not such a volume.
 */
export function watchVolumes(options: WatchVolumesOptions): Running {
  const { directories, quietMs, pollMs = defaultPollMs, onChange, clock, log } = options
  const seen = new Map(directories.map((directory) => [directory, targetOf(directory)]))
  const watchers = new Map<string, FSWatcher>()
  const changed = new Set<string>()
  let cancelReport = () => {}
  let cancelPoll = () => {}

  function check(directory: string): void {
    let target: string
    try {
      target = targetOf(directory)
    } catch {
      // Between two contents, or no longer mounted: the next poll reads it again.
      return
    }
    if (target === seen.get(directory)) return
    seen.set(directory, target)
    changed.add(directory)
    cancelReport()
    cancelReport = clock.after(quietMs, () => {
      const reported = [...changed]
      changed.clear()
      onChange(reported)
    })
  }

  function listen(directory: string): void {
    if (watchers.has(directory)) return
    try {
      const watcher = watch(directory, { persistent: false }, () => check(directory))
      watchers.set(directory, watcher)
      watcher.on('error', (error) => {
        log.warn({ directory }, `the directory is only polled until it can be watched again: ${errorMessage(error)}`)
        watcher.close()
        watchers.delete(directory)
      })
    } catch (error) {
      log.warn({ directory }, `the directory is only polled until it can be watched: ${errorMessage(error)}`)
    }
  }

  function poll(): void {
    for (const directory of directories) {
      listen(directory)
      check(directory)
    }
    cancelPoll = clock.after(pollMs, poll)
  }

  poll()
  return {
    async stop() {
      cancelPoll()
      cancelReport()
      for (const watcher of watchers.values()) watcher.close()
      watchers.clear()
    },
  }
}

function targetOf(directory: string): string {
  try {
    return readlinkSync(join(directory, dataLink))
  } catch (error) {
    const what = `${directory} is not a volume whose files change at once: it has no link ${dataLink}`
    throw new Error(`${what} (${errorMessage(error)})`, { cause: error })
  }
}
