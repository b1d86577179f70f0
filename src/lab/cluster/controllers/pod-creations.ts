import type { Clock } from '#lib'
import { createBackoff } from '#lib/async'

/**
 * Creations that wait for webhooks, so that no controller begins them twice: what is on its way counts as there, and an
 * owner whose pod was refused waits before the next try.
 */
export interface PodCreations {
  /** Pods of this owner that are on their way. */
  count(ownerUid: string): number
  begin(ownerUid: string, create: () => Promise<void>): void
}

/** @param onCompleted called whenever an owner may be reconciled again. */
export function createPodCreations(clock: Clock, onCompleted: () => void): PodCreations {
  const counts = new Map<string, number>()
  const backoffs = new Map<string, ReturnType<typeof createBackoff>>()

  const add = (uid: string, change: number) => {
    const count = (counts.get(uid) ?? 0) + change
    if (count === 0) counts.delete(uid)
    else counts.set(uid, count)
  }
  const complete = (uid: string) => {
    add(uid, -1)
    onCompleted()
  }

  return {
    count: (uid) => counts.get(uid) ?? 0,
    begin(uid, create) {
      add(uid, 1)
      create().then(
        () => {
          backoffs.delete(uid)
          complete(uid)
        },
        () => {
          const backoff = backoffs.get(uid) ?? createBackoff({ initialMs: 500, maxMs: 10_000 })
          backoffs.set(uid, backoff)
          clock.after(backoff.next(), () => complete(uid))
        },
      )
    },
  }
}
