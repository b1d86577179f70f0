import type { Log } from './log.ts'
import { errorMessage } from './problem.ts'

/** Something that was started and can be stopped; `stop` awaits what it began and may be called twice. */
export interface Running {
  stop(): Promise<void>
}

/**
 * The life of a daemon: starts it, waits for SIGTERM or SIGINT, stops it, and gives the exit status.
 * A second signal, or a stop that takes longer than `graceMs` (default 10,000), ends the process with status 1.
 */
export async function runUntilSignal(start: () => Promise<Running>, log: Log, graceMs = 10_000): Promise<number> {
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    let seen = false
    const onSignal = (signal: NodeJS.Signals) => {
      if (seen) process.exit(1)
      seen = true
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
    // Windows has no signal that asks a program to end: the relay that started it closes its input.
    if (process.env.KEYMOUNT_RELAY !== undefined) process.stdin.resume().once('close', () => onSignal('SIGTERM'))
  })
  let running: Running
  try {
    running = await start()
  } catch (error) {
    log.fatal({ err: error }, `cannot start: ${errorMessage(error)}`)
    return 1
  }
  const signal = await signalled
  log.info({ signal }, 'stopping')
  const forced = setTimeout(() => {
    log.error({ graceMs }, 'did not stop in time')
    process.exit(1)
  }, graceMs)
  await running.stop()
  clearTimeout(forced)
  return 0
}
