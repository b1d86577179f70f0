import { type Clock, errorMessage, type Log, type Running, systemClock } from '#lib'
import { retry } from '#lib/async'
import { type ActionWorld, act, type NotifyAction } from './actions.ts'
import type { NotifyMetrics } from './notify-metrics.ts'
import { watchVolumes } from './watch-volumes.ts'

export interface NotifyConfig {
  /** Directories of volumes. */
  watch: readonly string[]
  quietMs: number
  actions: readonly NotifyAction[]
}

export interface NotifyWorld extends ActionWorld {
  metrics: NotifyMetrics
  log: Log
  clock?: Clock | undefined
  pollMs?: number | undefined
}

const attempts = { attempts: 5, initialMs: 1000, maxMs: 30_000 }

/** Acts on each change of the volumes. A change during an action's tries begins them again: the newest content is what counts. */
export function startNotify({ watch, quietMs, actions }: NotifyConfig, world: NotifyWorld): Running {
  const { metrics, log, clock = systemClock, pollMs } = world
  let current = new AbortController()
  const work = new Set<Promise<void>>()
  const stopped = new AbortController()

  async function perform(action: NotifyAction, signal: AbortSignal): Promise<void> {
    try {
      await retry(() => act(action, world, signal), { ...attempts, signal, clock })
      metrics.acted(action.kind, 'success', clock.now())
      log.info({ action: action.kind }, 'notified')
    } catch (error) {
      if (signal.aborted) return
      metrics.acted(action.kind, 'failure', clock.now())
      log.error({ action: action.kind }, `the application was not notified: ${errorMessage(error)}`)
    }
  }

  const watching = watchVolumes({
    directories: watch,
    quietMs,
    pollMs,
    clock,
    log,
    onChange(directories) {
      log.info({ directories }, 'changed')
      current.abort(new Error('the volume has changed again'))
      current = new AbortController()
      const signal = AbortSignal.any([current.signal, stopped.signal])
      for (const action of actions) {
        const task = perform(action, signal).finally(() => work.delete(task))
        work.add(task)
      }
    },
  })
  return {
    async stop() {
      await watching.stop()
      stopped.abort(new Error('stopped'))
      await Promise.all(work)
    },
  }
}
