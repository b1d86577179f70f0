import type { Running } from '#lib'
import { errorMessage } from '#lib'
import { createDueTimer } from './due-timer.ts'
import type { Volume } from './mount/volumes.ts'
import type { Node } from './node.ts'
import { saveStatus } from './pod-status.ts'
import { syncSoon } from './secrets/secret-sync.ts'

/** Writes the status objects again whose last write failed. */
export function startStatusRetries(node: Node): Running {
  const { volumes, clock } = node
  const stopping = new AbortController()
  const inProgress = new Map<string, Promise<void>>()
  const timer = createDueTimer(clock, dispatch)

  function dispatch(): void {
    if (stopping.signal.aborted) return
    const waiting = volumes.all().filter(({ target }) => !inProgress.has(target))
    const [due = [], later = []] = [true, false].map((isDue) =>
      waiting.filter((volume) => retryAt(volume) <= clock.elapsed() === isDue),
    )
    for (const { target } of due) {
      const work = writeAgain(node, target, stopping.signal).finally(() => {
        inProgress.delete(target)
        dispatch()
      })
      inProgress.set(target, work)
    }
    timer.set(Math.min(...later.map(retryAt)))
  }

  volumes.onChange(dispatch)
  return {
    async stop() {
      timer.stop()
      stopping.abort(new Error('the driver stops'))
      await Promise.all(inProgress.values())
    },
  }
}

function retryAt({ status }: Volume): number {
  return status.retry?.at ?? Number.POSITIVE_INFINITY
}

async function writeAgain(node: Node, target: string, signal: AbortSignal): Promise<void> {
  const { operations, volumes, clock, log } = node
  try {
    await operations.run(target, signal, async (running) => {
      const volume = volumes.get(target)
      // A check may have written it meanwhile.
      if (volume === undefined || retryAt(volume) > clock.elapsed()) return
      await saveStatus(node, volume, running)
      const saved = volumes.get(target)
      // The Secrets of a bare pod belong to its status object.
      if (volume.status.uid === '' && saved !== undefined && saved.status.uid !== '') syncSoon(node, saved)
    })
  } catch (error) {
    log.debug({ targetPath: target }, `the status was not written: ${errorMessage(error)}`)
  }
}
