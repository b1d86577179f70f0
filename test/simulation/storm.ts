import type { World } from './world.ts'

interface Storm {
  stormMs: number
  calmMs: number
  /** What ends the storm besides the faults of the world itself. Default: nothing. */
  onCalm?: () => unknown
  /** After every event. Default: the check of the world. */
  check?: () => void
}

/** Runs a world with faults, then without: what is wrong after the calm was not repaired in time. */
export async function runStormThenCalm(world: World, options: Storm): Promise<void> {
  const { stormMs, calmMs, onCalm, check = world.check } = options
  await world.time.runUntil(stormMs, check)
  world.stormy = false
  await onCalm?.()
  await world.time.runUntil(stormMs + calmMs, check)
}
