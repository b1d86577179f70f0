import type { Clock } from '#lib'
import { epoch, type World } from './world.ts'

/**
 * A process that may die between any two awaits. What the code under test waits for (time, network, disks, kernel) comes
 * through {@link deliver}: after its death nothing comes any more, so its code never goes on.
 */
export interface SimulatedProcess {
  readonly name: string
  readonly alive: boolean
  readonly clock: Clock
  /** Continues code of the process: now, after its pause, or never. */
  deliver(run: () => void): void
  /** An effect outside of the process that takes `latencyMs`; the process may die before or after it. */
  effect<T>(what: string, latencyMs: number, run: () => Promise<T>): Promise<T>
  /** Pauses for a while, as in a long garbage collection: time goes on without it. */
  pause(ms: number): void
  stepWallClock(ms: number): void
  kill(why: string): void
  onKill(run: () => void): void
}

export interface ProcessOptions {
  /** Chance to die at each effect while the world is stormy. Default 0. */
  crashChance?: number
  /** Differs from one process to the next by this factor at most. Default 0. */
  clockDrift?: number
}

export function createProcess(world: World, name: string, options: ProcessOptions = {}): SimulatedProcess {
  const { crashChance = 0, clockDrift = 0 } = options
  const { time, random } = world
  const rate = 1 + random.between(-clockDrift, clockDrift)
  const bornAt = time.now
  const listeners: (() => void)[] = []
  let alive = true
  let wallOffset = 0
  let pausedUntil = 0
  const deliver = (run: () => void) => {
    if (!alive) return
    if (time.now >= pausedUntil) return run()
    time.after(pausedUntil - time.now + 0.001, () => deliver(run))
  }
  const kill = (why: string) => {
    if (!alive) return
    alive = false
    world.count('crash')
    world.note(`${name} dies: ${why}`)
    for (const listener of listeners) listener()
  }
  const mayDie = (where: string) => {
    if (alive && world.stormy && crashChance > 0 && random.chance(crashChance)) kill(where)
  }
  const elapsed = () => (time.now - bornAt) * rate
  return {
    name,
    get alive() {
      return alive
    },
    clock: {
      now: () => epoch + time.now + wallOffset,
      elapsed,
      // As Node's timers: whole milliseconds, rounded down, at least one.
      after: (ms, run) => time.after(Math.max(Math.trunc(ms), 1) / rate, () => deliver(run)),
    },
    deliver,
    effect<T>(what: string, latencyMs: number, run: () => Promise<T>) {
      return new Promise<T>((resolve, reject) => {
        mayDie(`before ${what}`)
        if (!alive) return
        time.after(latencyMs, () => {
          // The kernel finishes what it began, unless the process dies in the middle of several calls.
          if (!alive) return
          run().then(
            (result) => {
              mayDie(`after ${what}`)
              deliver(() => resolve(result))
            },
            (error: unknown) => deliver(() => reject(error)),
          )
        })
      })
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, time.now + ms)
      world.note(`${name} pauses for ${Math.round(ms)} ms`)
    },
    stepWallClock(ms) {
      wallOffset += ms
      world.note(`${name}: the wall clock is set by ${Math.round(ms / 1000)} s`)
    },
    kill,
    onKill: (run) => void listeners.push(run),
  }
}
