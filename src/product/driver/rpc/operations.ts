import { Code, RpcError } from '#kubernetes/grpc'
import { createKeyedLock } from '#lib/async'

/**
 * What is done to a target path, one at a time. CSI lets a caller repeat a call while the first is still under way; the
 * second waits and then finds the work done. https://github.com/container-storage-interface/spec/blob/master/spec.md#concurrency
 */
export interface Operations {
  /** Runs `work` when the target is free. Its signal aborts with the caller's and with {@link interrupt}. */
  run<T>(target: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T>
  /** Ends the operation under way, and those that wait, with Aborted: an unmount need not wait for a slow provider. */
  interrupt(target: string): void
  /** Resolves when nothing is under way any more. */
  idle(): Promise<void>
}

export function createOperations(): Operations {
  const lock = createKeyedLock()
  const running = new Map<string, Set<AbortController>>()
  const pending = new Set<Promise<unknown>>()

  return {
    run(target, signal, work) {
      const interrupted = new AbortController()
      const mine = running.get(target) ?? new Set()
      running.set(target, mine.add(interrupted))
      const either = signal === undefined ? interrupted.signal : AbortSignal.any([signal, interrupted.signal])
      const result = lock
        .run(target, async () => {
          either.throwIfAborted()
          return await work(either)
        })
        .finally(() => {
          mine.delete(interrupted)
          if (mine.size === 0 && running.get(target) === mine) running.delete(target)
        })
      pending.add(result)
      const settled = () => pending.delete(result)
      result.then(settled, settled)
      return result
    },
    interrupt(target) {
      const reason = new RpcError(Code.ABORTED, `${target} is being unpublished`)
      for (const controller of running.get(target) ?? []) controller.abort(reason)
    },
    async idle() {
      while (pending.size > 0) await Promise.allSettled(pending)
    },
  }
}
