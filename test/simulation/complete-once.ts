import type { SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

export interface Done<T> {
  resolve(value: T): void
  reject(error: unknown): void
}

export interface CallOptions {
  world: World
  process: SimulatedProcess
  signal: AbortSignal | undefined
  timeoutMs: number
  /** What the process is rejected with when nothing has come within the time. */
  late(): Error
}

/** A call of a process to the outside completes once: by what `begin` reports, its timeout or its signal. */
export function completeOnce<T>(options: CallOptions, begin: (done: Done<T>) => void): Promise<T> {
  const { world, process, signal, timeoutMs, late } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    let completed = false
    const complete = (run: () => void) => {
      if (completed) return
      completed = true
      cancelTimeout()
      signal?.removeEventListener('abort', onAbort)
      run()
    }
    const onAbort = () => complete(() => reject(signal?.reason))
    const cancelTimeout = world.time.after(timeoutMs, () => process.deliver(() => complete(() => reject(late()))))
    signal?.addEventListener('abort', onAbort, { once: true })
    begin({
      resolve: (value) => complete(() => resolve(value)),
      reject: (error) => complete(() => reject(error)),
    })
  })
}
