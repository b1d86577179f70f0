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

export function createFairGate({ total, perOwner = Math.ceil(total / 4) }: FairGateOptions): FairGate {
  const waiting = createTurnQueue<{ owner: string; start: () => void }>()
  const running = new Map<string, number>()
  let all = 0

  const isFree = (owner: string) => (running.get(owner) ?? 0) < perOwner
  const enter = (owner: string) => {
    all++
    running.set(owner, (running.get(owner) ?? 0) + 1)
  }
  const leave = (owner: string) => {
    all--
    const left = (running.get(owner) ?? 1) - 1
    if (left > 0) running.set(owner, left)
    else running.delete(owner)
    const next = all < total ? waiting.next(isFree) : undefined
    next?.start()
  }
  const turn = (owner: string, signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const entry = {
        owner,
        start() {
          signal?.removeEventListener('abort', abort)
          enter(owner)
          resolve()
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
      if (all < total && isFree(owner)) enter(owner)
      else await turn(owner, signal)
      try {
        return await task()
      } finally {
        leave(owner)
      }
    },
  }
}
