import { isDeepStrictEqual } from 'node:util'
import { isNotFound, type KubeClient, KubeError, type Pod, resources } from '#kubernetes/client'
import { type Clock, type Log, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import type { PodStatus } from './pod-status.ts'

export interface StatusWriter {
  /** Writes this status soon; only the latest counts. */
  write(status: PodStatus): void
  /** Resolves when the latest status is written, or cannot be because the pod is gone. */
  flush(): Promise<void>
  /** Writes no more. */
  close(): void
}

/** Brings the status of one pod to the API server: in order, without duplicates, with retries until it is written. */
export function createStatusWriter(pod: Pod, options: { kube: KubeClient; clock: Clock; log: Log }): StatusWriter {
  const { kube, clock, log } = options
  const { name = '', namespace = '', uid = '' } = pod.metadata
  const closed = new AbortController()
  const { signal } = closed
  let wanted: PodStatus | undefined = pod.status
  let written: PodStatus | undefined = pod.status
  let writing: Promise<void> | undefined

  async function run(): Promise<void> {
    const backoff = createBackoff({ initialMs: 200, maxMs: 5000 })
    while (!signal.aborted && !isDeepStrictEqual(wanted, written)) {
      const status = wanted
      try {
        // The uid refuses a pod that took the name since.
        const patch = { metadata: { uid }, status }
        await kube.patch(resources.pods, { name, namespace }, patch, { subresource: 'status' })
        written = status
        backoff.reset()
      } catch (error) {
        if (isNotFound(error) || (error instanceof KubeError && error.status === 409)) return
        log.warn({ pod: `${namespace}/${name}`, err: error }, 'status could not be written, trying again')
        await sleep(backoff.next(), { clock, signal }).catch(() => undefined)
      }
    }
  }

  function start(): void {
    writing ??= run().finally(() => {
      writing = undefined
    })
  }

  return {
    write(status) {
      wanted = structuredClone(status)
      start()
    },
    async flush() {
      await writing
    },
    close() {
      closed.abort(new Error('closed'))
    },
  }
}
