import { Code, RpcError } from '#kubernetes/grpc'
import { createKeyedLock } from '#lib/async'

/**
 * Work on target paths, one at a time for each. CSI lets a caller repeat a call while the first is still in progress; the
 * second one waits and then finds the work done. https://github.com/container-storage-interface/spec/blob/master/spec.md#concurrency
 */
export interface Operations {
  /** Runs `work` when the target is free. Its signal aborts with the caller's and with {@link interrupt}. */
  run<T>(target: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Ends the operation in progress, and those that wait, with Aborted: an unmount does not wait for a slow provider. */
  interrupt(target: string): void
}

export function createOperations(): Operations {
  const lock = createKeyedLock()
  const running = new Map<string, Set<AbortController>>()
  return {
    run(target, signal, work) {
      const interrupted = new AbortController()
      const mine = running.get(target) ?? new Set()
      running.set(target, mine.add(interrupted))
      const either = AbortSignal.any([signal, interrupted.signal])
      return lock
        .run(target, async () => {
          either.throwIfAborted()
          return await work(either)
        })
        .finally(() => {
          mine.delete(interrupted)
          if (mine.size === 0 && running.get(target) === mine) running.delete(target)
        })
    },
    interrupt(target) {
      const reason = new RpcError(Code.ABORTED, `${target} is being unpublished`)
      for (const controller of running.get(target) ?? []) controller.abort(reason)
    },
  }
}
