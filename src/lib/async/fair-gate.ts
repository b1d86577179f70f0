import { createFairSlots } from './fair-slots.ts'
import { createTurnQueue } from './turn-queue.ts'

/** Lets a bounded number of tasks run at once; further ones wait, and owners take turns. */
export interface FairGate {
  /** Rejects with the signal's reason when it aborts while the task waits. */
  run<T>(owner: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

export interface FairGateOptions {
  /** Tasks at once. */
  total: number
  /** Tasks at once of one owner. Default: a quarter of `total`. */
  perOwner?: number | undefined
}

export function createFairGate({ total, perOwner }: FairGateOptions): FairGate {
  const slots = createFairSlots(total, perOwner)
  const waiting = createTurnQueue<{ owner: string; start: (release: () => void) => void }>()

  const startNext = () => {
    const next = waiting.next(slots.isFree)
    const release = next && slots.take(next.owner)
    if (release !== undefined) next?.start(release)
  }
  const turn = (owner: string, signal: AbortSignal | undefined) =>
    new Promise<() => void>((resolve, reject) => {
      const entry = {
        owner,
        start(release: () => void) {
          signal?.removeEventListener('abort', abort)
          resolve(release)
        },
      }
      const abort = () => {
        if (waiting.remove(entry)) reject(signal?.reason)
      }
      waiting.add(entry)
      signal?.addEventListener('abort', abort, { once: true })
    })

  return {
    async run(owner, task, signal) {
      signal?.throwIfAborted()
      const release = slots.take(owner) ?? (await turn(owner, signal))
      try {
        return await task()
      } finally {
        release()
        startNext()
      }
    },
  }
}
